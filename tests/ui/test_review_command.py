"""`surefoot eval review`, and the sampling of `surefoot ask`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import evals.review.stand_ins as stand_ins
import ingest.manifest
import rag.pipeline
import ui.commands.ask as ask_command
from evals.review.queue import ReviewQueue
from evals.review.types import Asked, beside
from ingest.errors import KnowledgeBaseMissing, SurefootError
from rag.safety.guard import Guard
from rag.safety.policy import OFF
from rag.types import Answer, Citation, Finding, Message, ModelRef, Passage, Sentence, TokenUse
from ui.cli import app as root
from ui.commands.review import app
from ui.review_view import printable

HELD = Passage(1, 0.9, 0.7, 3.0, "doc-1", "/kb/leave.md", "Leave", (), 3, 0, 5, "Five.")
ANSWER = Answer(
    status="answered",
    text="Five days, says Fiona Maclure.",
    sentences=(Sentence("Five days.", 0.9, (Citation("doc-1", HELD.path, 3, 0, 5, "Five."),)),),
    passages=(HELD,),
    findings=(),
    tokens=TokenUse(10, 3, 100),
    timings_ms={"total": 12.5},
    model=ModelRef("tiny", "ab" * 32),
    trace="",
)
RUN = CliRunner()


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that passes for a knowledge base, with two answers in its queue."""
    folder = tmp_path / "kb"
    folder.mkdir()

    def read(path: Path) -> None:
        if not path.is_dir():
            raise KnowledgeBaseMissing(path)

    def find(text: str) -> list[Finding]:
        start = text.find("Fiona Maclure")
        return [Finding("question", "PERSON", start, start + 13, 0.9, "pii")] if start >= 0 else []

    monkeypatch.setattr(ingest.manifest, "read_manifest", read)
    monkeypatch.setattr(stand_ins, "open_pseudonymiser", lambda: stand_ins.StandIns(find))
    queue = ReviewQueue(beside(folder))
    history = (Message("user", "Is Fiona Maclure in?"),)
    queue.report(Asked("How many\x1b[31m days?", ANSWER, history), "flag", "odd")
    queue.report(Asked("And in May?", replace(ANSWER, status="abstained", text="?")), "audit")
    return folder


def run(kb: Path, *words: str) -> str:
    done = RUN.invoke(app, [*words, "--kb", str(kb)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_the_list_to_a_case(kb: Path, tmp_path: Path) -> None:
    listed = run(kb, "list").splitlines()
    assert [line.split()[:3] for line in listed] == [["1", "open", "flag"], ["2", "open", "audit"]]
    shown = run(kb, "show", "1")
    for part in ("odd", "Is Fiona Maclure in?", "Five days", "Leave, p. 3", "doc-1", "reader"):
        assert part in shown
    assert "\x1b" not in shown + listed[0]
    run(kb, "label", "1", "wrong", "tone", "--reviewer", "ada")
    wordings = ["--answer", "5 days", "--answer", "five"]
    said = run(kb, "correct", "1", *wordings, "--reviewer", "ada", "--note", "short")
    assert said == "Item 1 is corrected [wrong, tone].\n"
    file = tmp_path / "cases.jsonl"
    assert "Would be added" in run(kb, "promote", "1", "--to", str(file), "--dry-run")
    assert not file.exists()
    out = json.loads(run(kb, "promote", "1", "--to", str(file), "--json", "--reviewer", "bob"))
    assert json.loads(file.read_text()) == out["case"]
    assert out["case"]["history"] == [{"role": "user", "content": "Is Robin Marsh in?"}]
    assert (out["case"]["answers"], out["case"]["relevant"]) == (["5 days", "five"], ["doc-1"])
    assert out["case"]["reviewed_by"] == "ada"
    assert [event["who"] for event in json.loads(run(kb, "show", "1", "--json"))["events"]] == [
        "reader", "ada", "ada", "bob",
    ]  # fmt: skip


def test_an_unanswerable_question(kb: Path, tmp_path: Path) -> None:
    run(kb, "correct", "2", "--unanswerable")
    file = tmp_path / "cases.jsonl"
    run(kb, "promote", "2", "--to", str(file))
    row = json.loads(file.read_text())
    assert (row["answers"], row["relevant"]) == ([], [])


def test_decisions_can_be_taken_back(kb: Path) -> None:
    run(kb, "dismiss", "1", "--note", "noise")
    assert run(kb, "list", "--state", "dismissed").split()[:2] == ["1", "dismissed"]
    run(kb, "reopen", "1")
    run(kb, "accept", "1")
    row = json.loads(run(kb, "list", "--state", "all", "--json"))["items"][0]
    assert (row["state"], row["answers"]) == ("accepted", ["Five days, says Fiona Maclure."])
    facts = json.loads(run(kb, "stats", "--json"))
    assert facts["states"]["accepted"] == 1
    assert "accepted 1" in run(kb, "stats")
    assert run(kb, "list", "--state", "promoted") == "Nothing is promoted.\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["list", "--state", "lost"], "no state"),
        (["correct", "1"], "--answer"),
        (["correct", "1", "--answer", "x", "--unanswerable"], "not both"),
        (["dismiss", "1"], "--note"),
        (["show", "none"], "valid integer"),
        (["show", "9" * 30], "less than or equal"),
    ],
)
def test_wrong_usage_is_2(kb: Path, words: list[str], problem: str) -> None:
    done = RUN.invoke(app, [*words, "--kb", str(kb)])
    assert done.exit_code == 2
    assert problem in done.output


@pytest.mark.parametrize(
    "words",
    [
        ["show", "9"],
        ["promote", "1", "--to", "x.jsonl"],
        ["dismiss", "1", "--note", " "],
        ["label", "1", "a,b"],
        ["accept", "1", "--reviewer", " "],
        ["correct", "1", "--answer", " "],
    ],
)
def test_bad_input_is_one_line(kb: Path, words: list[str]) -> None:
    done = RUN.invoke(app, [*words, "--kb", str(kb)])
    assert isinstance(done.exception, SurefootError)
    assert done.exception.exit_code == 2
    assert len(str(done.exception).splitlines()) == 1


def test_a_missing_base_is_named(kb: Path) -> None:
    done = RUN.invoke(app, ["list", "--kb", str(kb / "gone")])
    assert isinstance(done.exception, KnowledgeBaseMissing)


@pytest.mark.parametrize("command", [c.name for c in app.registered_commands])
def test_help_has_an_example(command: str | None) -> None:
    done = RUN.invoke(app, [str(command), "--help"])
    assert done.exit_code == 0
    assert f"surefoot eval review {command}" in done.stdout


def test_printable_keeps_lines() -> None:
    assert printable("a\n\tb\x07é") == "a\n\tb\ufffdé"


class FakeAssistant:
    guard = Guard((), OFF)

    def __init__(self, every: int) -> None:
        self.config = SimpleNamespace(review=SimpleNamespace(audit_every=every))

    def answer(self, *_: Any, **__: Any) -> Answer:
        return ANSWER

    def stream(self, *_: Any, **__: Any) -> Iterator[Answer]:
        yield ANSWER


@pytest.mark.parametrize("json_wanted", [["--json"], []])
@pytest.mark.parametrize(("every", "kept"), [(0, 0), (1, 2), (2, 1)])
def test_ask_keeps_each_nth_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, kept: int, json_wanted: list[str]
) -> None:
    fake = SimpleNamespace(open=lambda *_: FakeAssistant(every))
    monkeypatch.setattr(rag.pipeline, "Assistant", fake)
    for _ in range(2):
        done = RUN.invoke(root, ["ask", "How many?", "--kb", str(tmp_path), *json_wanted])
        assert done.exit_code == 0, done.output
    items = ReviewQueue(beside(tmp_path)).items()
    assert [item.source for item in items] == ["audit"] * kept


def test_an_answer_outlives_a_queue_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = SimpleNamespace(open=lambda *_: FakeAssistant(1))
    monkeypatch.setattr(rag.pipeline, "Assistant", fake)
    said: list[str] = []
    console = SimpleNamespace(print=lambda line, **_: said.append(line))
    monkeypatch.setattr("ui.console.ERR", console)
    ask_command.ask("How many?", tmp_path / "gone", json=True)
    assert len(said) == 1
    assert said[0].startswith("not kept for review: review: ")
