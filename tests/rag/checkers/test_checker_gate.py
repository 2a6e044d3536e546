"""A checker by name where it counts: at the gate, in a replay, in an evaluation, in a command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from evals.pins import checker_pin
from evals.suites.base import Options
from evals.suites.grounding import SUITE, CheckerSubject
from evals.types import Case
from ingest.build import ingest
from ingest.testing import HashEmbedder, ListIndex
from rag import assemble
from rag.checkers.cached import CachedChecker
from rag.config import Config, GroundingConfig, PromptConfig
from rag.engines.scripted import ScriptedEngine
from rag.grounding import Evidence, Grounder, Support
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import OFF
from rag.trace import Tracer
from ui.cli import main
from ui.commands.doctor import _lacking_checker

TEXTS = (
    "Annual leave is twenty five days a year. Up to five days can be carried over until 31 March.",
    "Life jackets are checked in May.",
)
LEAVE = "How many days of annual leave are there in a year?"
SAID = "Annual leave is twenty five days a year."
OTHER = "Up to five days can be carried over."


class Fails:
    """Finds everything well supported, but can't judge what has a word in it."""

    def __init__(self, word: str) -> None:
        self.word = word

    def support(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str = ""
    ) -> list[Support]:
        return [
            Support(None, failed="out of order") if self.word in text else Support(0.9, (0,))
            for text in segments
        ]


def assistant(word: str, config: GroundingConfig) -> Assistant:
    embedder = HashEmbedder(dimension=256)
    settings = Config(prompt=PromptConfig(tokens=2000), grounding=config)
    return Assistant(
        retriever=Retriever(ListIndex(embedder, TEXTS), embedder, settings.retrieve),
        engine=ScriptedEngine((f"{SAID} {OTHER}",)),
        guard=Guard([], OFF),
        grounder=Fails(word),
        embedder=embedder,
        config=settings,
        tracer=Tracer(None, {}),
    )


@pytest.mark.parametrize(("word", "shown"), [("carried", SAID), ("twenty", OTHER)])
def test_a_claim_whose_check_failed_is_withheld(word: str, shown: str) -> None:
    answer = assistant(word, GroundingConfig()).answer(LEAVE)
    assert (answer.status, answer.text, answer.withheld) == ("answered", shown, 1)


def test_where_no_check_works_nothing_is_said() -> None:
    answer = assistant("", GroundingConfig()).answer(LEAVE)
    assert answer.status == "abstained"
    assert SAID not in answer.text


def test_annotated_it_has_no_support() -> None:
    answer = assistant("carried", GroundingConfig(policy="annotate")).answer(LEAVE)
    assert [sentence.support for sentence in answer.sentences] == [0.9, 0.0]


def test_an_assistant_forgets_what_was_judged() -> None:
    part = assistant("x", GroundingConfig())
    checker = CachedChecker(Fails("x"), "fails")
    part._grounder = checker
    part.answer(LEAVE)
    assert len(checker._known) > 0
    part.forget()
    assert len(checker._known) == 0


def test_the_shipped_checker_goes_without_a_name() -> None:
    checker = assemble.open_checker(Config(), HashEmbedder())
    assert isinstance(checker, CachedChecker)
    assert isinstance(checker._checker, Grounder)


def test_a_published_checker_by_its_folder(nli: Path) -> None:
    config = Config(grounding=GroundingConfig(checker=f"nli:{nli}"))
    checker = assemble.open_checker(config, HashEmbedder(256))
    found = checker.support(["bal dit"], [Evidence(0, 0, 9, "bal dit lighthouse")])
    assert (found[0].score or 0) > 0.5


@pytest.mark.parametrize(("checker", "model"), [("judge:", "own"), ("judge:other", "other")])
def test_a_judge_has_an_engine_of_its_own(
    checker: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is at an answer can't be asked about it: it would wait for itself."""
    opened: list[Config] = []

    def engine(config: Config) -> ScriptedEngine:
        opened.append(config)
        return ScriptedEngine(("-",), choice=3.0)

    monkeypatch.setattr(assemble, "open_engine", engine)
    config = Config(grounding=GroundingConfig(checker=checker)).with_model("own")
    found = assemble.open_checker(config, HashEmbedder()).support([SAID], [Evidence(0, 0, 9, SAID)])
    assert (found[0].score or 0) > 0.9
    assert [(one.engine.model, one.engine.slots) for one in opened] == [(model, 1)]


def case(answer: str, hallucinated: bool) -> Case:
    row = {"source": TEXTS[0], "answer": answer, "hallucinated": hallucinated}
    return Case(answer[:5], "", row, "")


def test_an_answer_that_could_not_be_judged_is_unscored() -> None:
    subject = CheckerSubject(Fails("carried"))
    cases = [case(SAID, False), case(f"{SAID} {OTHER}", True)]
    outcomes = subject.run(cases, Event())
    first, second = (SUITE.score(c, o) for c, o in zip(cases, outcomes, strict=True))
    assert first.status == "scored"
    assert outcomes[0].data["threshold"] == 0.5
    assert (second.status, second.reason) == ("unscored", "not judged: out of order")


def test_an_evaluation_names_its_checker(
    nli: Path, lettuce: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "open_embedder", lambda: HashEmbedder(256))
    options = [
        Options(Config(grounding=GroundingConfig(checker=checker)))
        for checker in ("", f"nli:{nli}", f"lettucedetect:{lettuce}", "judge:", "judge:other")
    ]
    pins = [checker_pin(one.config) for one in options]
    assert pins[0] == ""
    assert pins[1].startswith(f"nli:{nli.name}:")
    assert pins[4].startswith("judge:other ")
    assert len(set(pins)) == 5
    assert pins[1] in SUITE.pins(options[1]).model
    row: dict[str, Any] = {"source": "bal dit", "answer": "bal dit", "hallucinated": True}
    found = SUITE.open(options[1]).run([Case("a", "", row, "")], Event())
    assert SUITE.score(Case("a", "", row, ""), found[0]).values["said"] == 1.0


@pytest.mark.parametrize("command", ["ask", "eval"])
def test_a_checker_that_is_not_there_is_one_line(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.md").write_text(TEXTS[0])
    ingest([tmp_path / "a.md"], tmp_path / "kb", HashEmbedder())
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"id": "a", **case(SAID, False).row}) + "\n")
    commands = {
        "ask": ["ask", LEAVE, "--kb", str(tmp_path / "kb")],
        "eval": ["eval", "grounding", "--cases", str(cases), "--out", str(tmp_path / "run")],
    }
    monkeypatch.setenv("SUREFOOT_GROUNDING_CHECKER", "nli:nobody/nothing")
    monkeypatch.setattr(sys, "argv", ["surefoot", *commands[command]])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    line = "surefoot: setting grounding.checker: there is no model 'nobody/nothing' on this machine"
    said = capsys.readouterr().err.strip().splitlines()
    assert [text for text in said if text.startswith(line)] == said[-1:]
    assert "Traceback" not in "".join(said)
    assert "nobody/nothing" in _lacking_checker()[0]
