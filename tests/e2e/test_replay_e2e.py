"""Real answers replayed by the real commands, from a copy of the knowledge base and without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

LEAVE = "How many days of annual leave can I carry over?"


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory, sample_kb: Path) -> Path:
    copy = tmp_path_factory.mktemp("replayed") / "kb"
    shutil.copytree(sample_kb, copy)
    for name in ("traces", "audit"):
        shutil.rmtree(copy / name, ignore_errors=True)
    return copy


@pytest.fixture(scope="module")
def trace(kb: Path, surefoot: Any) -> Path:
    done = surefoot("ask", LEAVE, "--kb", str(kb), "--json", "--conversation", "leave")
    assert done.json()["status"] == "answered"
    done = surefoot("ask", "And when are they lost?", "--kb", str(kb), "--json", "--continue")
    return Path(done.json()["trace"])


def test_an_answer_comes_again_to_the_last_bit(surefoot: Any, kb: Path, trace: Path) -> None:
    done = surefoot("replay", trace.stem, "--kb", str(kb), "--json")
    found = done.json()
    assert (done.code, found["same"], found["logprob_difference"]) == (0, True, 0.0), found
    assert {name: part["same"] for name, part in found["parts"].items()} == dict.fromkeys(
        ("model", "prompt", "check", "generated", "answer", "findings", "support", "retrieval",
         "packing"), True,
    )  # fmt: skip
    assert found["answer"] == json.loads(trace.read_text(encoding="utf-8"))["answer"]["text"]


def test_the_trace_and_the_models_are_enough(surefoot: Any, trace: Path, tmp_path: Path) -> None:
    alone = tmp_path / "trace.json"
    alone.write_bytes(trace.read_bytes())
    done = surefoot("replay", str(alone))
    assert done.code == 0, done.out
    assert "there is no knowledge base" in done.out


def test_another_answer_is_exit_4_and_a_bad_trace_2(
    surefoot: Any, trace: Path, tmp_path: Path
) -> None:
    record = json.loads(trace.read_text(encoding="utf-8"))
    record["answer"]["text"] += " Never."
    record["answer"]["model"]["sha256"] = "0" * 64
    other = tmp_path / "other.json"
    other.write_text(json.dumps(record), encoding="utf-8")
    done = surefoot("replay", str(other))
    assert (done.code, "DIFFERS" in done.out, "0" * 64 in done.err) == (4, True, True)
    record["config"]["engine"]["model"] = str(tmp_path / "gone.gguf")
    other.write_text(json.dumps(record), encoding="utf-8")
    done = surefoot("replay", str(other))
    assert (done.code, "gone.gguf" in done.err) == (2, True)
    other.write_bytes(trace.read_bytes()[:900])
    done = surefoot("replay", str(other))
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_the_audit_log_of_these_answers_is_whole(surefoot: Any, kb: Path, trace: Path) -> None:
    done = surefoot("audit", "verify", "--kb", str(kb), "--json")
    assert (done.code, done.json()["ok"], done.json()["lines"]) == (0, True, 2)
    (last,) = surefoot("audit", "show", "--kb", str(kb), "--last", "1", "--json").json()["lines"]
    assert (last["trace"], last["model"]) == (trace.stem, "qwen2.5-coder-0.5b")
    (log,) = (kb / "audit").glob("*.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"sentences":', b'"Sentences":', 1))
    done = surefoot("audit", "verify", "--kb", str(kb))
    assert (done.code, "line 1" in done.out) == (4, True)


def test_no_log_is_one_clear_line(surefoot: Any, tmp_path: Path) -> None:
    done = surefoot("audit", "verify", "--kb", str(tmp_path))
    assert (done.code, "no audit log" in done.err) == (2, True)
