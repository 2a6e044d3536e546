"""The guard decides, redacts and fails closed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigError, FilterError
from rag.safety.guard import Guard
from rag.safety.notices import notice
from rag.safety.policy import DEFAULT, OFF, Policy, Rule
from rag.types import Decision, Finding, Stage

STAGES: tuple[Stage, ...] = ("question", "passage", "answer")


class Words:
    """Finds every occurrence of some words, each under its label."""

    name = "words"

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels
        self.calls = 0

    def find(self, text: str, stage: Stage) -> list[Finding]:
        self.calls += 1
        return [
            Finding(stage, label, i, i + len(word), 0.9, self.name)
            for word, label in self.labels.items()
            for i in range(len(text))
            if text.startswith(word, i)
        ]


class Fixed:
    """Reports what it was given, whatever the text."""

    name = "fixed"

    def __init__(self, *findings: Finding) -> None:
        self.findings = findings

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        return self.findings


class Raising:
    name = "raising"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find(self, text: str, stage: Stage) -> list[Finding]:
        raise self.error


class Hanging:
    name = "hanging"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        time.sleep(2.0)
        return []


def span(label: str, start: int, end: int, score: float = 0.9) -> Finding:
    return Finding("answer", label, start, end, score, "fixed")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ([("PHONE_NUMBER", 0, 3)], "<PHONE_NUMBER>defghij"),
        ([("PHONE_NUMBER", 0, 3), ("EMAIL_ADDRESS", 5, 8)], "<PHONE_NUMBER>de<EMAIL_ADDRESS>ij"),
        ([("PHONE_NUMBER", 0, 6), ("EMAIL_ADDRESS", 4, 8)], "<PHONE_NUMBER>ij"),
        ([("PHONE_NUMBER", 3, 5), ("EMAIL_ADDRESS", 0, 10)], "<EMAIL_ADDRESS>"),
        ([("PHONE_NUMBER", 0, 3), ("PHONE_NUMBER", 3, 5)], "<PHONE_NUMBER>fghij"),
        ([("PHONE_NUMBER", 0, 3), ("EMAIL_ADDRESS", 3, 5)], "<PHONE_NUMBER><EMAIL_ADDRESS>fghij"),
        ([("PERSON", 0, 3)], "abcdefghij"),
    ],
)
def test_redaction(found: list[tuple[str, int, int]], shown: str) -> None:
    guard = Guard([Fixed(*(span(*f) for f in found))], DEFAULT)
    assert guard.check("abcdefghij", "answer").text == shown


@given(
    st.text(min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), max_size=6),
)
def test_no_character_of_a_redacted_span_is_shown(text: str, spans: list[tuple[int, int]]) -> None:
    found = [
        span("PHONE_NUMBER", start, min(len(text), start + length))
        for start, length in spans
        if start < len(text)
    ]
    verdict = Guard([Fixed(*found)], DEFAULT).check(text, "answer")
    hidden = {i for f in found for i in range(f.start, f.end)}
    kept = "".join(c for i, c in enumerate(text) if i not in hidden)
    # Blanks and commas between two neighbours may go with them, nothing else may.
    seen = verdict.text.replace("<PHONE_NUMBER>", "")
    if "<PHONE_NUMBER>" not in text:
        assert [c for c in seen if c not in " \t,;"] == [c for c in kept if c not in " \t,;"]
    assert (verdict.decision is Decision.REDACT) == bool(found)


@pytest.mark.parametrize("stage", STAGES)
def test_actions_by_stage(stage: Stage) -> None:
    guard = Guard([Words({"555": "PHONE_NUMBER", "Ann": "PERSON"})], DEFAULT)
    verdict = guard.check("Ann 555", stage)
    actions = {f.label: f.action for f in verdict.findings}
    assert actions["PERSON"] == "keep"
    assert actions["PHONE_NUMBER"] == ("keep" if stage == "question" else "redact")
    assert "555" in verdict.text or stage != "question"


def test_block_shows_nothing_and_names_the_cause() -> None:
    verdict = Guard([Words({"bad": "HATE"})], DEFAULT).check("a bad thing", "answer")
    assert (verdict.decision, verdict.text, verdict.status) == (Decision.BLOCK, "", "ok")
    assert verdict.cause == "words: HATE"
    assert "stops here" in notice(verdict, "answer")


def test_findings_in_the_context_are_dropped_and_straddling_ones_clipped() -> None:
    guard = Guard([Words({"12345": "PHONE_NUMBER"})], DEFAULT)
    verdict = guard.check("45 and more", "answer", context="12345 tel 123")
    assert verdict.text == "<PHONE_NUMBER> and more"
    assert [(f.start, f.end) for f in verdict.findings] == [(0, 2)]


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (Raising(ValueError("secret text")), "raising: ValueError"),
        (Raising(SystemExit(1)), "raising: SystemExit"),
        (Raising(MemoryError()), "raising: MemoryError"),
        (Hanging(), "hanging: timeout"),
        (Fixed(span("PERSON", 0, 99)), "fixed: GarbageFindingError"),
        (Fixed(span("PERSON", -1, 2)), "fixed: GarbageFindingError"),
        (Fixed(span("PERSON", 2, 2)), "fixed: GarbageFindingError"),
        (Fixed(span("PERSON", 0, 1, math.nan)), "fixed: GarbageFindingError"),
        (Fixed(span("PERSON", 0, 1, 1.5)), "fixed: GarbageFindingError"),
    ],
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_broken_filter_blocks(broken: Fixed, kind: str, stage: Stage) -> None:
    guard = Guard([Words({}), broken], DEFAULT, timeout_s=0.05)
    verdict = guard.check("some text", stage)
    assert (verdict.decision, verdict.text, verdict.status) == (Decision.BLOCK, "", "error")
    assert verdict.cause == f"filter {kind}"
    assert "secret text" not in repr(verdict)
    assert notice(verdict, stage)


def test_failures_are_not_cached_and_a_hung_filter_does_not_wear_the_guard_out() -> None:
    class Once:
        name = "once"
        calls = 0

        def find(self, text: str, stage: Stage) -> list[Finding]:
            self.calls += 1
            if self.calls == 1:
                time.sleep(0.3)
            return []

    guard = Guard([Once()], DEFAULT, timeout_s=0.1)
    assert guard.check("x", "answer").status == "error"
    assert guard.check("x", "answer").status == "ok"


def test_many_hung_checks_are_refused_without_new_threads() -> None:
    guard = Guard([Hanging()], DEFAULT, timeout_s=0.01)
    for i in range(8):
        guard.check(str(i), "answer")
    started = time.perf_counter()
    assert guard.check("one more", "answer").status == "error"
    assert time.perf_counter() - started < 5


def test_verdicts_are_cached_by_stage_context_and_text_until_forgotten() -> None:
    words = Words({})
    guard = Guard([words], DEFAULT)
    for _ in range(3):
        guard.check("ab", "answer", "c")
    guard.check("b", "answer", "ca")
    guard.check("ab", "passage", "c")
    assert words.calls == 3
    guard.forget()
    guard.check("ab", "answer", "c")
    assert words.calls == 4


def test_no_filters_is_an_error_unless_the_policy_is_off() -> None:
    with pytest.raises(FilterError):
        Guard([], DEFAULT)
    verdict = Guard([], OFF).check("text", "answer")
    assert (verdict.text, verdict.status) == ("text", "skipped")


def test_a_rule_can_be_changed_for_one_stage() -> None:
    policy = DEFAULT.with_rule("PERSON", Rule("redact", 0.5), ["answer"])
    guard = Guard([Words({"Ann": "PERSON"})], policy)
    assert guard.check("Ann", "answer").text == "<PERSON>"
    assert guard.check("Ann", "passage").text == "Ann"
    assert policy.acts_on("answer", ["PERSON"])
    assert not DEFAULT.acts_on("answer", ["PERSON"])


def test_findings_below_the_threshold_are_dropped() -> None:
    policy = Policy({("answer", "PERSON"): Rule("redact", 0.95)})
    assert Guard([Words({"Ann": "PERSON"})], policy).check("Ann", "answer").findings == ()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_thresholds_are_probabilities(threshold: float) -> None:
    with pytest.raises(ConfigError):
        Rule("redact", threshold)


@pytest.mark.parametrize("stage", STAGES)
def test_notices_offer_care_for_self_harm(stage: Stage) -> None:
    verdict = Guard(
        [Words({"x": "SELF_HARM"})], DEFAULT.with_rule("SELF_HARM", Rule("block"))
    ).check("x", stage)
    assert ("helpline" in notice(verdict, stage)) == (stage != "passage")
