"""What a trace holds, who may read it, and what a bad disk costs."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest

from rag import trace
from rag.engines.lineage import Run, Start
from rag.prompt import Packed, Unit
from rag.trace import FORMAT, Asked, Made, Tracer
from rag.types import Answer, Decoding, Message, ModelRef, Token, TokenUse

ANSWER = Answer(
    "answered", "Ten.", (), (), (), TokenUse(9, 2, 512), {}, ModelRef("m", "0" * 64), "here"
)
ASKED = Asked("How many?", (Message("user", "Hi"),), frozenset({"b", "a"}), (), Decoding(seed=4))
PACKED = Packed(
    (Message("system", "S"), Message("user", "Q")),
    (Message("user", "C"),),
    9,
    (Unit(0, 1, 5, "Ten.", 0.5),),
    (),
)
LOGPROB = -0.1234567890123456
MADE = Made(
    ASKED,
    "How many?",
    packed=PACKED,
    tokens=(Token("Ten", 1, LOGPROB), Token(".", 2, -0.5)),
    start=Start((Run(3, 8), Run(1, 1), Run(1, 1)), 9, "f" * 64, "lib"),
)


def written(folder: Path, made: Made = MADE) -> dict[str, object]:
    tracer = Tracer(folder, {"kb": {"generation": 3}})
    path = tracer.place()
    assert path is not None
    tracer.write(path, ANSWER, made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    record: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return record


def test_a_trace_holds_what_a_replay_needs(tmp_path: Path) -> None:
    record = written(tmp_path / "traces")
    assert record["format"] == FORMAT == 2
    assert record["kb"] == {"generation": 3}
    assert record["prompt"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q"},
    ]
    assert record["check"] == [{"role": "user", "content": "C"}]
    assert record["starts"] == {
        "check": None,
        "answer": {
            "runs": [[3, 8, 1], [1, 1, 2]],
            "prompt": 9,
            "sha256": "f" * 64,
            "library": "lib",
        },
    }
    asked = record["asked"]
    assert isinstance(asked, dict)
    assert (asked["groups"], asked["decoding"]["seed"]) == (["a", "b"], 4)


def test_log_probabilities_keep_their_bits_and_words_are_a_hash(tmp_path: Path) -> None:
    generated = written(tmp_path)["generated"]
    assert isinstance(generated, dict)
    assert generated["logprobs"] == [LOGPROB, -0.5]
    assert len(generated["sha256"]) == 64
    assert "Ten" not in json.dumps(generated)


def test_facts_may_change_from_answer_to_answer(tmp_path: Path) -> None:
    generations = iter((1, 2))
    tracer = Tracer(tmp_path, lambda: {"kb": {"generation": next(generations)}})
    for number in (1, 2):
        tracer.write(tmp_path / f"{number}.json", ANSWER, MADE)
        record = json.loads((tmp_path / f"{number}.json").read_text(encoding="utf-8"))
        assert record["kb"]["generation"] == number


def test_half_a_surrogate_pair_costs_nothing(tmp_path: Path) -> None:
    written(tmp_path, Made(ASKED, "?", tokens=(Token("\ud83d", 1, -0.1),)))


def test_a_full_disk_costs_the_trace_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(trace, "write_atomic", full)
    with caplog.at_level(logging.WARNING):
        Tracer(tmp_path, {}).write(tmp_path / "t.json", ANSWER, MADE)
    assert "no space left" in caplog.text


def test_without_a_folder_there_are_no_traces() -> None:
    assert Tracer(None, {}).place() is None
