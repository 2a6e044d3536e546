"""How the chat asks: kept before the reader has all of it, and asked again in the same place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from evals.review.queue import ReviewQueue
from rag.conversations import Conversations
from rag.errors import EngineError
from rag.types import (
    Answer,
    AnswerEvent,
    Decoding,
    ModelRef,
    Passage,
    Sentence,
    Shown,
    TokenUse,
)
from ui.page.asking import Desk, Question, follow_ups, produce
from ui.page.context import Context, Reader
from ui.page.conversation import After
from ui.page.keeping import Record
from ui.page.settings import LIVELY, Loader, Settings

LEAVE = Passage(1, 0.9, 0.8, 4.0, "leave", "/leave.md", "Leave", (), None, 0, 4, "Five")
ASKED = "What does “Leave” say?"


def made(status: str = "answered") -> Answer:
    return Answer(
        status=status,  # type: ignore[arg-type]
        text="Yes.",
        sentences=(Sentence("Yes.", None),),
        passages=(LEAVE,),
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={},
        model=ModelRef("m", "0"),
        trace="",
    )


class Assistant:
    """Says yes, and remembers how it was asked."""

    def __init__(self, fails: bool = False) -> None:
        self.retriever = SimpleNamespace(retrieve=lambda *_: [LEAVE])
        self.asked: list[dict[str, Any]] = []
        self.fails = fails

    def decoding(self) -> Decoding:
        return Decoding(temperature=0.0, seed=7, beams=4)

    def stream(self, question: str, *_: Any, **how: Any) -> Iterator[AnswerEvent]:
        self.asked.append(how)
        yield Shown(Sentence("Yes.", None))
        if self.fails:
            raise EngineError("llama.cpp", "gone")
        yield made()


def desk(assistant: Any, folder: Path) -> Desk:
    reader = Reader("ada", frozenset({"hr"}), False)
    context = Context(Settings(folder, frozenset(), None), folder, reader)
    return Desk(context, (), Loader(lambda: assistant), ReviewQueue(folder / "reviews.db"))


def question(again: int = 0, instead: int = 0) -> Question:
    return Question("May I?", (), (), ("May I?",), again, instead)


@pytest.fixture
def store(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path / "conversations.db", lambda _: {}, owner="ada")


def test_an_answer_is_kept_and_leads_on(store: Conversations, tmp_path: Path) -> None:
    after, record = After(), Record(store)
    events = produce(desk(Assistant(), tmp_path), record, question(), after)(Event())
    for event in events:
        if isinstance(event, Answer):
            assert len(store.all()) == 1, "before the reader has it"
    assert (after.kept, after.questions, after.known) == (1, (ASKED,), True)


def test_a_failure_is_the_end_of_the_looking(store: Conversations, tmp_path: Path) -> None:
    after = After()
    with pytest.raises(EngineError):
        list(produce(desk(Assistant(True), tmp_path), Record(store), question(), after)(Event()))
    assert after.known
    assert store.all() == ()


def test_an_answer_asked_for_again_is_another_one(store: Conversations, tmp_path: Path) -> None:
    assistant, record = Assistant(), Record(store)
    where = desk(assistant, tmp_path)
    for again, instead in ((0, 0), (1, 1)):
        list(produce(where, record, question(again, instead), After())(Event()))
    assert "decoding" not in assistant.asked[0]
    how = assistant.asked[1]["decoding"]
    assert (how.temperature, how.seed, how.beams) == (LIVELY, 8, 1)
    assert [len(item.turns) for item in store.all()] == [1]


@pytest.mark.parametrize(
    ("assistant", "status", "expected"),
    [
        (Assistant(), "answered", (ASKED,)),
        (Assistant(), "abstained", (ASKED,)),
        (Assistant(), "blocked", ()),
        (SimpleNamespace(stream=None), "answered", ()),
    ],
)
def test_follow_ups(assistant: Any, status: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    assert follow_ups(desk(assistant, tmp_path), made(status), ()) == expected
    assert follow_ups(desk(assistant, tmp_path), made(status), (ASKED,)) == ()
