"""A filter that fails in any way, in any stage, blocks, and the answer says why. Never "clean"."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.testing import HashEmbedder, ListIndex
from rag.config import Config, PromptConfig
from rag.engines.scripted import ScriptedEngine
from rag.errors import FilterError
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.heads import load_heads
from rag.safety.policy import DEFAULT, STAGES
from rag.trace import Tracer
from rag.types import Decision, Filter, Finding, Stage

TEXT = "Annual leave is twenty five days a year. Up to five days can be carried over."
SAID = "Annual leave is twenty five days a year. "
QUESTION = "How many days of annual leave are there in a year?"


def found(**changes: Any) -> Finding:
    values = {"stage": "answer", "label": "PERSON", "start": 0, "end": 1, "score": 0.5}
    return Finding(**{**values, "source": "faulty", **changes})


def raising(error: BaseException) -> Callable[[], Sequence[Finding]]:
    def fail() -> Sequence[Finding]:
        raise error

    return fail


def hanging() -> Sequence[Finding]:
    threading.Event().wait(5.0)
    return []


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (raising(ValueError(TEXT)), "ValueError"),
    "exits": (raising(SystemExit(0)), "SystemExit"),
    "out of memory": (raising(MemoryError()), "MemoryError"),
    "too deep": (raising(RecursionError()), "RecursionError"),
    "ends a generator": (raising(StopIteration()), "StopIteration"),
    "hangs": (hanging, "timeout"),
    "nothing": (lambda: None, "TypeError"),
    "a number": (lambda: 7, "TypeError"),
    "strings": (lambda: ["PERSON"], "GarbageFindingError"),
    "tuples": (lambda: [("PERSON", 0, 1)], "GarbageFindingError"),
    "another text's": (lambda: [found(start=900, end=910)], "GarbageFindingError"),
    "over the end": (lambda: [found(end=100_000)], "GarbageFindingError"),
    "before the start": (lambda: [found(start=-1)], "GarbageFindingError"),
    "empty": (lambda: [found(start=1)], "GarbageFindingError"),
    "backwards": (lambda: [found(start=3, end=1)], "GarbageFindingError"),
    "half a character": (lambda: [found(start=0.5)], "GarbageFindingError"),
    "NaN as a place": (lambda: [found(end=math.nan)], "GarbageFindingError"),
    "NaN": (lambda: [found(score=math.nan)], "GarbageFindingError"),
    "endless": (lambda: [found(score=math.inf)], "GarbageFindingError"),
    "over one": (lambda: [found(score=1.01)], "GarbageFindingError"),
    "a word as score": (lambda: [found(score="high")], "TypeError"),
    "a list as label": (lambda: [found(label=["PERSON"])], "GarbageFindingError"),
    "no label": (lambda: [found(label=None)], "GarbageFindingError"),
}


class Faulty:
    """Finds nothing, but in one stage, where it does `fault`."""

    name = "faulty"

    def __init__(self, stage: Stage, fault: Callable[[], Any]) -> None:
        self._stage = stage
        self._fault = fault

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        del text
        return self._fault() if stage == self._stage else []


class FaultyWarmth(Faulty):
    """The same, when it is told of the texts beforehand."""

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        del text, stage
        return []

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        del texts
        if stage == self._stage:
            self._fault()


class Clean:
    name = "clean"

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        del text, stage
        return []


def assistant(*filters: Filter) -> tuple[Assistant, ScriptedEngine]:
    embedder, engine = HashEmbedder(dimension=256), ScriptedEngine((SAID,))
    config = Config(prompt=PromptConfig(tokens=2000))
    made = Assistant(
        retriever=Retriever(ListIndex(embedder, (TEXT,)), embedder, config.retrieve),
        engine=engine,
        guard=Guard(filters, DEFAULT, timeout_s=0.3),
        grounder=Grounder(embedder),
        embedder=embedder,
        config=config,
        tracer=Tracer(None, {"seed": 0}),
    )
    return made, engine


def test_without_a_fault_it_answers() -> None:
    made, _ = assistant(Clean(), Faulty("answer", list))
    assert made.answer(QUESTION).status == "answered"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_blocks_the_answer(name: str, first: bool, stage: Stage) -> None:
    fault, kind = FAULTS[name]
    faulty = Faulty(stage, fault)
    made, engine = assistant(*((faulty, Clean()) if first else (Clean(), faulty)))
    answer = made.answer(QUESTION)
    assert answer.status == "blocked"
    assert answer.cause == f"filter faulty: {kind}"
    assert "twenty five" not in answer.text
    assert len(answer.text) > 20
    assert bool(engine.asked) == (stage == "answer")


@pytest.mark.parametrize("name", ["raises", "exits", "out of memory", "hangs"])
def test_a_fault_in_warming_blocks_the_passages(name: str) -> None:
    fault, kind = FAULTS[name]
    made, engine = assistant(FaultyWarmth("passage", fault), Clean())
    answer = made.answer(QUESTION)
    assert (answer.status, answer.cause) == ("blocked", f"filter guard: {kind}")
    assert not engine.asked


@pytest.mark.parametrize("stage", STAGES)
def test_a_list_that_fails_blocks(stage: Stage) -> None:
    def allows(label: str, raw: str) -> bool:
        raise OSError(label + raw)

    guard = Guard([Faulty(stage, lambda: [found()])], DEFAULT, allows=allows)
    verdict = guard.check("some text", stage)
    assert (verdict.decision, verdict.status) == (Decision.BLOCK, "error")
    assert verdict.cause == "filter lists: OSError"


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_public_and_cannot_be_read_blocks(stage: Stage) -> None:
    def epoch() -> str:
        raise OSError("no such table")

    guard = Guard([Clean()], DEFAULT, epoch=epoch)
    for verdict in (guard.check("some text", stage), *guard.check_all(["some text"], stage)):
        assert (verdict.decision, verdict.status) == (Decision.BLOCK, "error")
        assert verdict.cause in ("filter lists: OSError", "filter guard: OSError")


def test_each_filter_has_the_time_of_the_guard() -> None:
    guard = Guard([Clean(), Faulty("answer", hanging)], DEFAULT, timeout_s=0.05)
    assert guard.check("x", "answer").cause == "filter faulty: timeout"


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_weights_that_are_missing_or_broken_are_one_clear_line(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "moderation.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FilterError) as raised:
        load_heads(path, "moderation", "0" * 64, 4)
    assert "moderation" in str(raised.value)
    assert "\n" not in str(raised.value)
