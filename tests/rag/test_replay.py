"""Every end of an answer comes again from its trace; what was changed since is named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ingest.testing import HashEmbedder, ListIndex
from rag.config import Config, GroundingConfig, PromptConfig
from rag.engines.scripted import ScriptedEngine
from rag.found_again import found_again, not_repeated
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.replay import Replayed, Replayer, replay_json
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT
from rag.trace import Tracer
from rag.traced import Traced, TraceError, config_of, find_trace, read_trace
from rag.types import Answer, Decoding, Finding, Message, Shown, Stage

TEXTS = (
    "Annual leave is twenty five days a year. Up to five days can be carried over until 31 March.",
    "Fiona Maclure is the harbour master. Call +44 131 496 0131 to reach her. She works at Skarra.",
)
LEAVE = "How many days of annual leave are there in a year?"
SAID = "Annual leave is twenty five days a year. "
PHONE = "+44 131 496 0131"


class Marks:
    """Finds a telephone number and a word that blocks; may be out of order in a stage."""

    name = "marks"

    def __init__(self, broken_in: str = "") -> None:
        self.broken_in = broken_in

    def find(self, text: str, stage: Stage) -> list[Finding]:
        if stage == self.broken_in:
            raise RuntimeError("out of order")
        rows = (("PHONE_NUMBER", PHONE), ("VIOLENCE", "KILL"))
        return [
            Finding(stage, label, text.index(word), text.index(word) + len(word), 0.99, self.name)
            for label, word in rows
            if word in text
        ]


def assistant(folder: Path, reply: str, broken_in: str = "", policy: Any = "drop") -> Assistant:
    embedder = HashEmbedder(dimension=256)
    config = Config(prompt=PromptConfig(tokens=2000), grounding=GroundingConfig(policy=policy))
    facts = {"config": asdict(config), "kb": {"generation": 1}}
    return Assistant(
        retriever=Retriever(ListIndex(embedder, TEXTS), embedder, config.retrieve),
        engine=ScriptedEngine((reply,)),
        guard=Guard([Marks(broken_in)], DEFAULT),
        grounder=Grounder(embedder),
        embedder=embedder,
        config=config,
        tracer=Tracer(folder / "traces", facts),
    )


def replayer(reply: str, broken_in: str = "") -> Replayer:
    embedder = HashEmbedder(dimension=256)
    return Replayer(
        ScriptedEngine((reply,)), Guard([Marks(broken_in)], DEFAULT), Grounder(embedder)
    )


def asked(part: Assistant, question: str = LEAVE, **how: Any) -> Traced:
    return read_trace(Path(part.answer(question, **how).trace))


def parts(done: Replayed) -> dict[str, bool | None]:
    return {part.name: part.same for part in done.parts}


HISTORY = (Message("user", LEAVE), Message("assistant", SAID))
ENDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "answered": (SAID, LEAVE, {}),
    "with framing": ("Sure! " + SAID, LEAVE, {}),
    "something withheld": (SAID + "Elephants pay 9000 dollars on Jupiter.", LEAVE, {}),
    "unsupported": ("Elephants pay 9000 dollars.", LEAVE, {}),
    "does not know": ("I don't know.", LEAVE, {}),
    "nothing said": ("", LEAVE, {}),
    "far": ("Anything.", "zyzzyva quokka", {}),
    "question blocked": ("-", "How do I KILL somebody?", {}),
    "answer blocked": (SAID + "Then KILL them all. More.", LEAVE, {}),
    "masked": ("Call +44 131 496 0131 to reach her.", "How do I reach Fiona Maclure?", {}),
    "follow-up": ("Up to five days can be carried over until 31 March.",
                  "And how many of them can be carried over?", {"history": HISTORY}),
    "for a group": (SAID, LEAVE, {"groups": frozenset({"hr", "it"})}),
    "decoded otherwise": (SAID * 9, LEAVE, {"decoding": Decoding(max_tokens=5, stop=("a year",))}),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_every_end_comes_again(tmp_path: Path, end: str) -> None:
    reply, question, how = ENDS[end]
    traced = asked(assistant(tmp_path, reply), question, **how)
    done = replayer(reply).replay(traced)
    assert done.same, done.parts
    assert done.answer.text == traced.answer["text"]
    assert done.logprob_difference == 0.0
    assert PHONE not in traced.path.read_text(encoding="utf-8").replace(question, "")


@pytest.mark.parametrize("stage", ["question", "passage", "answer"])
def test_a_filter_that_failed_comes_again(tmp_path: Path, stage: str) -> None:
    traced = asked(assistant(tmp_path, SAID, stage))
    assert traced.answer["status"] == "blocked"
    done = replayer(SAID, "" if stage == "passage" else stage).replay(traced)
    assert done.same, done.parts


@pytest.mark.parametrize("shown", [0, 1])
def test_what_its_reader_stopped_stops_there_again(tmp_path: Path, shown: int) -> None:
    reply, cancel = SAID + "Up to five days can be carried over until 31 March.", Event()
    for event in assistant(tmp_path, reply).stream(LEAVE, cancel=cancel):
        if shown == 0 or isinstance(event, Shown):
            cancel.set()
        if isinstance(event, Answer):
            traced = read_trace(Path(event.trace))
    done = replayer(reply).replay(traced)
    assert done.answer.cause == "stopped by the reader"
    assert done.same, done.parts


def changed(path: Path, change: Any) -> Traced:
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    return read_trace(path)


def test_what_is_not_the_same_is_named(tmp_path: Path) -> None:
    path = asked(assistant(tmp_path, SAID)).path
    other = changed(path, lambda record: record["answer"].update(text="Thirty days."))
    assert parts(replayer(SAID).replay(other))["answer"] is False
    nudged = changed(path, lambda record: record["generated"]["logprobs"].__setitem__(0, -0.2))
    assert replayer(SAID).replay(nudged).logprob_difference == pytest.approx(0.1)
    blamed = changed(path, lambda record: record["answer"]["sentences"][0].update(support=0.1))
    assert parts(replayer(SAID).replay(blamed))["support"] is False
    found = replay_json(replayer(SAID).replay(blamed), blamed)
    assert (found["same"], found["parts"]["support"]["same"]) == (False, False)


def test_another_model_is_said_and_its_words_compared(tmp_path: Path) -> None:
    traced = asked(assistant(tmp_path, SAID))
    other = replayer("Something else.")
    assert traced.model.sha256 in other.model_part(traced).note
    found = parts(other.replay(traced))
    assert (found["model"], found["generated"], found["answer"]) == (False, False, False)


def test_a_base_that_still_holds_it_gives_the_same_prompt(tmp_path: Path) -> None:
    part = assistant(tmp_path, SAID)
    traced = asked(part, history=HISTORY)
    assert [(p.name, p.same) for p in found_again(part, traced)] == [
        ("retrieval", True), ("packing", True),
    ]  # fmt: skip
    other = changed(traced.path, lambda record: record["answer"]["passages"].pop())
    assert found_again(part, other)[0].same is False


def test_why_retrieval_is_not_repeated(tmp_path: Path) -> None:
    part = assistant(tmp_path, SAID)
    assert "no knowledge base" in (not_repeated(asked(part), tmp_path) or "")
    blocked = asked(part, "How do I KILL somebody?")
    assert "nothing was searched" in (not_repeated(blocked, tmp_path) or "")


def test_a_trace_is_found_by_path_or_by_id(tmp_path: Path) -> None:
    path = asked(assistant(tmp_path, SAID)).path
    assert find_trace(str(path), None) == path
    assert find_trace(path.stem, tmp_path) == find_trace(path.name, tmp_path) == path
    with pytest.raises(TraceError, match="needs --kb"):
        find_trace("nowhere", None)
    with pytest.raises(TraceError, match="no such file"):
        find_trace("../" + path.name + "x", tmp_path)


def test_the_last_trace_is_the_last_written(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="none yet"):
        find_trace("last", tmp_path)
    part = assistant(tmp_path, SAID)
    for _ in range(3):
        latest = asked(part).path
        assert find_trace("last", tmp_path) == latest


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "cut off"),
        (b'{"format": 2, "at": "2026', "cut off"),
        (b'{"format": 1}', "format 1, not 2, which lacks"),
        (b'{"format": 9}', "format 9"),
        (b"[]", "format None"),
        (b'{"format": 2}', "does not hold"),
        (b"\xff\xfe", "cut off"),
    ],
)
def test_a_trace_that_cannot_be_replayed_is_one_clear_line(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(data)
    with pytest.raises(TraceError, match=problem) as raised:
        read_trace(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("gone", ["asked", "starts", "units", "generated", "reading", "answer"])
def test_a_trace_without_one_of_its_parts(tmp_path: Path, gone: str) -> None:
    path = asked(assistant(tmp_path, SAID)).path
    with pytest.raises(TraceError, match="does not hold"):
        changed(path, lambda record: record.pop(gone))


def test_a_config_comes_back_as_it_was() -> None:
    config = Config(grounding=GroundingConfig(policy="annotate"))
    assert config_of(json.loads(json.dumps(asdict(config)))) == config
    with pytest.raises(ValueError, match=r"grounding\.mood"):
        config_of({"grounding": {"mood": 1}})
    with pytest.raises(ValueError, match="unknown stage"):
        config_of({"weather": {}})
