"""`surefoot ask --conversation` and `surefoot conversations`, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.review.queue import ReviewQueue
from evals.review.types import beside
from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.config import Config, ReviewConfig
from rag.pipeline import Assistant
from rag.safety.guard import Guard
from rag.safety.policy import OFF
from rag.types import (
    Answer,
    Citation,
    Dropped,
    Message,
    ModelRef,
    Passage,
    Sentence,
    Shown,
    TokenUse,
)
from ui.conversation_view import history_note


class Scripted:
    """Answers from one document, and remembers with what history it was asked."""

    config = Config(review=ReviewConfig(audit_every=1))
    guard = Guard((), OFF)

    def __init__(self, document: str) -> None:
        self.asked: list[Sequence[Message]] = []
        passage = Passage(
            1, 0.9, 0.7, 3.0, document, document, "Kept [it]", (), 2, 0, 9, "Five days"
        )
        citation = Citation(document, document, 2, 0, 9, "Five days")
        said = Sentence("Five days\x1b[31m. ", 0.9, (citation,)), Sentence("Sure!", None)
        tokens = TokenUse(9, 3, 100, (Dropped("turn 1", 5, "full", 1),))
        model, text = ModelRef("tiny", "ab" * 32), "Five days\x1b[31m. Sure!"
        self.answer_ = Answer(
            "answered", text, said, (passage,), (), tokens, {"total": 9.0}, model, ""
        )

    def answer(self, question: str, history: Any, groups: Any, where: Any) -> Answer:
        self.asked.append(history)
        return replace(self.answer_, trace=question)

    def stream(self, question: str, history: Any, groups: Any, where: Any, session: Any) -> Any:
        assert session is None
        answer = self.answer(question, history, groups, where)
        yield from map(Shown, answer.sentences)
        yield answer


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path / "home"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "kept.md").write_text("# Kept\n\nFive days may be carried over.")
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def scripted(kb: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted(str(kb.parent / "docs" / "kept.md"))
    monkeypatch.setattr(Assistant, "open", lambda *_: made)
    return made


@pytest.fixture
def surefoot(surefoot: Any, kb: Path) -> Any:
    """The command over the knowledge base."""
    return lambda *words: surefoot(*words, "--kb", kb)


def test_a_conversation_from_its_first_turn_to_its_last(
    surefoot: Any, scripted: Scripted, kb: Path
) -> None:
    code, out, _ = surefoot("ask", "How many?", "--conversation", "leave", "--json")
    row = json.loads(out)["conversation"]
    assert (code, row["name"], row["turn"]) == (0, "leave", 1)
    code, out, _ = surefoot("ask", "And in May?", "--continue")
    assert (code, "turn 1 left out of the prompt" in out) == (0, True)
    assert surefoot("ask", "Alone?", "--json")[0] == 0
    assert [len(history) for history in scripted.asked] == [0, 2, 0]
    assert scripted.asked[1][0].content == "How many?"
    item = ReviewQueue(beside(kb)).get(2)
    assert [turn.content for turn in item.history] == ["How many?", "Five days\x1b[31m. Sure!"]
    (listed,) = json.loads(surefoot("conversations", "list", "--json")[1])["conversations"]
    assert (listed["id"], listed["turns"], listed["hidden"]) == (row["id"], 2, 0)
    shown = json.loads(surefoot("conversations", "show", row["id"], "--json")[1])
    assert shown["conversation"] == listed
    assert [turn["question"] for turn in shown["turns"]] == ["How many?", "And in May?"]
    assert set(shown["turns"][0]["sentences"][0]["sources"][0]) == {
        "document", "path", "title", "page", "start", "end", "quote",
    }  # fmt: skip
    code, out, _ = surefoot("conversations", "rename", "leave", "my leave")
    assert (code, out) == (0, "leave is my leave now.\n")
    assert surefoot("conversations", "delete", "my leave")[1] == "Deleted my leave, 2 turn(s).\n"
    assert surefoot("conversations", "list")[1].startswith("No conversations yet")


def test_what_people_read(surefoot: Any, scripted: Scripted) -> None:
    surefoot("ask", "How *many*?", "--conversation", "leave")
    listed, shown = (surefoot("conversations", *w)[1] for w in (("list",), ("show", "leave")))
    assert "1 turn  leave  “How *many*?”" in listed
    assert "[1] Kept [it], p. 2 (kept.md)" in shown
    exported = surefoot("conversations", "export", "leave")[1]
    assert "\x1b" not in listed + shown + exported
    assert exported.startswith("# leave\n\n## 1. How \\*many\\*?\n\nFive days")
    assert "1. Kept \\[it\\], p. 2 (kept.md): characters 0 to 9 of " in exported
    assert json.loads(surefoot("conversations", "export", "leave", "--json")[1])["turns"]


MISTAKES = [
    (("conversations", "show", "nowhere"), "there is no 'nowhere'"),
    (("conversations", "delete", "c-01234567"), "there is no 'c-01234567'"),
    (("conversations", "export", "nowhere"), "there is no 'nowhere'"),
    (("conversations", "rename", "nowhere", "x"), "there is no 'nowhere'"),
    (("ask", "Why?", "--conversation", "c-01234567"), "there is no 'c-01234567'"),
    (("ask", "Why?", "--conversation", " "), "a name has one to 100"),
    (("ask", "Why?", "--continue"), "there is none to go on with"),
    (("ask", "Why?", "--continue", "--conversation", "x"), "not both"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES)
def test_mistakes_are_told_in_a_line(surefoot: Any, words: Any, said: str) -> None:
    code, out, err = surefoot(*words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_a_turn_that_cannot_be_kept_costs_a_warning(
    surefoot: Any, scripted: Scripted, monkeypatch: Any
) -> None:
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(PermissionError("read-only")))
    monkeypatch.setattr(Scripted, "config", Config())
    code, out, err = surefoot("ask", "How many?", "--conversation", "leave", "--json")
    assert (code, json.loads(out)["conversation"]) == (0, None)
    assert "not kept: conversations: " in err


def test_forgetting_takes_turns_along(surefoot: Any, scripted: Scripted, kb: Path) -> None:
    surefoot("ask", "How many?", "--conversation", "leave")
    document = scripted.answer_.passages[0].document
    code, out, _ = surefoot("kb", "forget", document, "--json")
    assert (code, json.loads(out)["removed"]["turns of conversations"]) == (0, 1)
    for path in kb.rglob("*"):
        assert not path.is_file() or document.encode() not in path.read_bytes()
    assert surefoot("conversations", "show", "leave")[0] == 2


NOTES = [
    ((), ""),
    ((Dropped("2 of 3 sentences", 9, "full"),), ""),
    ((Dropped("turn 1", 9, "full", 1),), "turn 1 left out of the prompt"),
    (
        [Dropped("", 9, "", n, kept) for n, kept in ((1, 0), (2, 0), (3, 0), (5, 4), (7, 4))],
        "turns 5, 7 shortened to the facts, turns 1 to 3 left out of the prompt",
    ),
]


@pytest.mark.parametrize(("dropped", "said"), NOTES)
def test_the_note_about_earlier_turns(dropped: Any, said: str) -> None:
    assert history_note(dropped) == said
