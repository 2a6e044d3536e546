"""Named classifiers behind the guard: findings, caches, names, and that every failure blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.testing import HashEmbedder
from rag.config import load
from rag.errors import ConfigError, EngineError, FilterError, SurefootError
from rag.safety.classifiers.cascade import Cascade, Grey
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.classifiers.labels import combine, map_classes, parse_labels
from rag.safety.classifiers.local import pin, require_classifiers
from rag.safety.classifiers.names import parse_chain
from rag.safety.classifiers.opening import Named
from rag.safety.classifiers.parts import parts
from rag.safety.features import CachedVectors
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.safety.settings import GuardConfig
from rag.safety.shipped import build_injection, build_moderation, version
from rag.types import Decision, Stage

TEXT = "A fine day. This is poison. Another fine day."
STAGES: tuple[Stage, ...] = ("question", "passage", "answer")


def poison(told: Any) -> Any:
    return told({"poison": {"HARM": 0.9}}, {"HARM": 0.1})


@pytest.mark.parametrize("stage", ["passage", "answer"])
def test_a_finding_is_the_sentence(told: Any, stage: Stage) -> None:
    [found] = ClassifierFilter("moderation", poison(told)).find(TEXT, stage)
    assert TEXT[found.start : found.end] == "This is poison."
    assert (found.label, found.score, found.source) == ("HARM", 0.9, "moderation")


def test_a_question_is_also_read_as_a_whole(told: Any) -> None:
    whole = told({TEXT: {"HARM": 0.8}}, {"HARM": 0.1})
    [found] = ClassifierFilter("moderation", whole).find(TEXT, "question")
    assert (found.start, found.end) == (0, len(TEXT))


def test_each_label_has_its_threshold(told: Any) -> None:
    scores = {"HARM": 0.6, "HATE": 0.6}
    classifier = told({}, scores, {"HARM": 0.5, "HATE": 0.7})
    found = ClassifierFilter("moderation", classifier).find("One sentence here.", "answer")
    assert [finding.label for finding in found] == ["HARM"]


def test_nothing_is_judged_twice_until_it_is_forgotten(told: Any) -> None:
    classifier = poison(told)
    found = ClassifierFilter("moderation", classifier)
    found.warm([TEXT, "A fine day. A new one."], "answer")
    found.find(TEXT, "answer")
    assert len(classifier.asked) == 1
    assert len(classifier.asked[0]) == len(set(classifier.asked[0])) == 4
    found.find(TEXT, "passage")
    assert len(classifier.asked) == 2
    found.forget()
    found.find(TEXT, "answer")
    assert len(classifier.asked) == 3


def test_the_guard_forgets_it(told: Any) -> None:
    classifier = poison(told)
    found = ClassifierFilter("moderation", classifier)
    guard = Guard((found,), DEFAULT, caches=(found,))
    for _ in range(2):
        assert guard.check(TEXT, "answer").decision is Decision.BLOCK
    assert len(classifier.asked) == 1
    guard.forget()
    guard.check(TEXT, "answer")
    assert len(classifier.asked) == 2


class Spoilt:
    """A classifier that does `act` instead of its work."""

    identity = "spoilt"
    thresholds: Mapping[str, float] = {"HARM": 0.5}

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        found: list[Mapping[str, float]] = self._act()
        return found


def _raise(error: Exception) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (_raise(RuntimeError("boom")), "RuntimeError"),
    "engine": (_raise(EngineError("m", "gone")), "EngineError"),
    "hangs": (lambda: threading.Event().wait(20), "timeout"),
    "nan": (lambda: [{"HARM": float("nan")}], "OddScoresError"),
    "over": (lambda: [{"HARM": 1.5}], "OddScoresError"),
    "another label": (lambda: [{"OTHER": 0.1}], "OddScoresError"),
    "label too many": (lambda: [{"HARM": 0.1, "OTHER": 0.1}], "OddScoresError"),
    "no labels": (lambda: [{}], "OddScoresError"),
    "no answer": (list, "OddScoresError"),
    "answers too many": (lambda: [{"HARM": 0.1}] * 2, "OddScoresError"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("cascaded", [False, True])
def test_every_failure_blocks(told: Any, fault: str, stage: Stage, cascaded: bool) -> None:
    act, kind = FAULTS[fault]
    classifier: Any = Spoilt(act)
    if cascaded:
        classifier = Cascade(told({}, {"HARM": 0.5}), classifier, Grey())
    found = ClassifierFilter("moderation", classifier)
    guard = Guard((found,), DEFAULT, timeout_s=0.15, caches=(found,))
    verdict = guard.check("One sentence.", stage)
    assert verdict.decision is Decision.BLOCK
    assert verdict.status == "error"
    assert verdict.cause == f"filter moderation: {kind}"
    [batch] = guard.check_all(["Another sentence."], stage)
    assert (batch.decision, batch.status) == (Decision.BLOCK, "error")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_clear_text_asks_no_broken_classifier(told: Any, fault: str) -> None:
    cascade = Cascade(told({}, {"HARM": 0.1}), Spoilt(FAULTS[fault][0]), Grey())
    guard = Guard((ClassifierFilter("moderation", cascade),), DEFAULT, timeout_s=5.0)
    assert guard.check("One sentence.", "answer").decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["shipped"]),
        ("shipped", ["shipped"]),
        (" hf:unitary/toxic-bert ", ["hf:unitary/toxic-bert"]),
        ("shipped>hf:a/b", ["shipped", "hf:a/b"]),
        ("shipped > hf:a/b > llamaguard:openai:g", ["shipped", "hf:a/b", "llamaguard:openai:g"]),
    ],
)
def test_names(text: str, expected: list[str]) -> None:
    assert [str(name) for name in parse_chain(text, "guard.moderation")] == expected


@pytest.mark.parametrize("text", ["unitary/toxic-bert", "hf:", "bert:x", ">", "shipped>", "hf"])
def test_what_is_no_name_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^setting guard\.injection: "):
        GuardConfig(injection=text)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"labels": ("LABEL_1",)}, "labels"),
        ({"labels": ("LABEL_1=WRONG",)}, "labels"),
        ({"grey": (0.9, 0.2)}, "grey"),
        ({"grey": (0.1,)}, "grey"),
        ({"threshold": 0.95}, "threshold"),
    ],
)
def test_settings_are_checked(settings: Any, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"^setting guard\.{field}: "):
        GuardConfig(**settings)


def test_settings_from_the_environment() -> None:
    guard = load({"SUREFOOT_GUARD_GREY": "0.1, 0.8", "SUREFOOT_GUARD_LABELS": "X=HARM,Y="}).guard
    assert guard.grey == (0.1, 0.8)
    assert parse_labels(guard.labels) == {"x": ("HARM",), "y": ()}


def test_classes_of_known_models() -> None:
    assert map_classes("meta-llama/Llama-Prompt-Guard-2-22M", ["LABEL_0", "LABEL_1"], {}) == [
        (),
        ("PROMPT_INJECTION",),
    ]
    assert map_classes("KoalaAI/Text-Moderation", ["OK", "S3", "HR"], {}) == [
        (),
        ("SEXUAL_MINORS", "HARM"),
        ("HARASSMENT", "HARM"),
    ]
    assert map_classes("any/name", ["Not Toxic", "self-harm"], {}) == [(), ("SELF_HARM", "HARM")]


def test_classes_add_up_or_compete() -> None:
    classes = [(), ("HATE", "HARM"), ("HARM",)]
    values = [0.25, 0.5, 0.25]
    assert combine(values, classes, several=False) == {"HATE": 0.5, "HARM": 0.75}
    assert combine(values, classes, several=True) == {"HATE": 0.5, "HARM": 0.5}


def test_parts_overlap_and_leave_nothing_out() -> None:
    text = " ".join(f"w{n}" for n in range(500))
    found = parts(text, lambda part: len(part.split()), 40)
    assert all(len(part.split()) <= 40 for part in found)
    assert all(part in text for part in found)
    assert list(dict.fromkeys(word for part in found for word in part.split())) == text.split()
    assert all(set(one.split()) & set(other.split()) for one, other in pairwise(found))


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "1" * 10_000, " " * 10_000, "<" * 10_000, ".@" * 5_000]
)
def test_parts_of_odd_texts(text: str) -> None:
    found = parts(text, lambda part: len(part) // 3, 60)
    assert all(len(part) // 3 <= 60 for part in found)


def test_a_missing_model_is_said_before_anything_is_loaded() -> None:
    config = GuardConfig(moderation="shipped>hf:nobody/nothing")
    with pytest.raises(ConfigError, match=r"guard\.moderation: there is no model 'nobody/nothing'"):
        require_classifiers(config)
    with pytest.raises(SurefootError, match="no file"):
        require_classifiers(GuardConfig(injection="granite:/nowhere/g.gguf"))
    require_classifiers(GuardConfig(injection="granite:openai:g"))


def test_pins_tell_configs_apart(prompt_guard: Path, tmp_path: Path) -> None:
    def of(**settings: Any) -> str:
        return pin(GuardConfig(**settings), "injection")

    name = f"hf:{prompt_guard}"
    assert of() == of(injection="shipped") == ""
    pins = [
        of(injection=name),
        of(injection=f"shipped>{name}"),
        of(injection=name, grey=(0.1, 0.9)),
        of(injection=name, threshold=0.6),
        of(injection=name, labels=("X=HARM",)),
        of(injection="granite:openai:g"),
    ]
    assert len(set(pins)) == len(pins)
    assert of(injection=name) == of(injection=name)


def test_shipped_then_named(told: Any, prompt_guard: Path) -> None:
    named = Named(
        GuardConfig(injection=f"shipped>hf:{prompt_guard}"),
        lambda *_: pytest.fail("no engine is needed"),
    )
    heads = told({"odd": {"PROMPT_INJECTION": 0.5}}, {"PROMPT_INJECTION": 0.0})
    found = named.filter("injection", lambda: heads)
    assert found is not None
    assert found.scores("Hello there.") == {"PROMPT_INJECTION": 0.0}
    assert found.scores("Hello odd there.")["PROMPT_INJECTION"] not in (0.0, 0.5)
    assert "told > hf:llama-prompt-guard-2-86m" in found.identity
    assert named.filter("moderation", lambda: heads) is None


def test_named_ones_stand_in_the_guards_place(prompt_guard: Path, toxic: Path) -> None:
    """Without the heads, which no embedder but their own fits."""
    config = GuardConfig(injection=f"hf:{prompt_guard}", moderation=f"hf:{toxic}")
    named = Named(config, lambda *_: pytest.fail("no engine is needed"))
    embedder = HashEmbedder(8)
    vectors = CachedVectors(embedder)
    injection = build_injection(embedder, vectors, named)
    moderation = build_moderation(embedder, vectors, named)
    guard = Guard((injection, moderation), DEFAULT, caches=(injection,))
    verdict = guard.check("Bal ber dit gos.", "question")
    assert verdict.status == "ok"
    labels = {finding.label for finding in verdict.findings}
    assert labels <= {"PROMPT_INJECTION", "HARM", "VIOLENCE", "HARASSMENT", "HATE"}
    assert version(injection, embedder, named) != version(injection, embedder)
    with pytest.raises(FilterError):
        build_injection(embedder, vectors)
