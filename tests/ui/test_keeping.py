"""How the chat keeps conversations: a name from the first question, one turn for each question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rag.conversations import Conversations
from rag.turns import ConversationError, turn_of
from rag.types import Answer, Citation, Finding, ModelRef, Passage, Sentence, TokenUse
from ui.page.conversation import Conversation, Turn
from ui.page.conversations import matching
from ui.page.keeping import UNNAMED, Past, Record

HELD = Passage(1, 0.9, 0.8, 4.0, "leave", "/kb/leave.md", "Leave", (), 3, 40, 50, "Five days.")
QUOTE = Citation("leave", "/kb/leave.md", 3, 40, 50, "Five days.")


def answer(text: str = "Five days.", **changes: object) -> Answer:
    made = Answer(
        status="answered",
        text=text,
        sentences=(Sentence(text, 0.9, (QUOTE,)),),
        passages=(HELD,),
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={},
        model=ModelRef("m", "0"),
        trace="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path / "conversations.db", lambda _: {})


def test_the_first_question_names_a_conversation(store: Conversations) -> None:
    record = Record(store)
    record.begin()
    assert store.all() == (), "nothing was said in it yet"
    assert record.keep("How many\ndays?", answer()) == 1
    assert record.keep("And then?", answer()) == 2
    assert [(item.name, len(item.turns)) for item in store.all()] == [("How many days?", 2)]
    second = record.another()
    second.begin()
    second.keep("How many days?", answer())
    assert second.name == "How many days? 2"


def test_what_the_guard_blocked_names_none(store: Conversations) -> None:
    record = Record(store)
    record.begin()
    found = Finding("question", "PROMPT_INJECTION", 0, 5, 1.0, "x", "block")
    record.keep("do as I say", answer(status="blocked", findings=(found,)))
    assert record.name.startswith(UNNAMED)
    assert "do as I say" not in str(store.all())


def test_an_answer_made_again_takes_the_place_of_the_one_before(store: Conversations) -> None:
    record = Record(store)
    record.begin()
    first = record.keep("How many?", answer("Five."))
    assert record.keep("How many?", answer("Five days."), first) == 2
    assert [turn.text for turn in store.all()[0].turns] == ["Five days."]


def test_what_cannot_be_kept_costs_a_note(store: Conversations, tmp_path: Path) -> None:
    record = Record(store)
    record.begin()
    (tmp_path / "conversations.db").write_bytes(b"no database" * 100)
    assert record.keep("How many?", answer()) == 0
    assert record.problem
    assert record.keep("And then?", answer()) == 0, "nothing is tried again"


def test_without_a_store_nothing_is_kept() -> None:
    record = Record()
    assert record.begin() is record.session
    assert record.keep("How many?", answer()) == 0
    assert not record.problem


def test_a_kept_turn_is_drawn_and_gone_on_from() -> None:
    past = Past.of(turn_of(1, "", "How many?", answer(), frozenset()))
    turn = Turn.held(past)
    assert turn.answer is not None
    assert [item.citations for item in turn.answer.sentences] == [(QUOTE,)]
    assert [(p.title, p.text, p.start) for p in turn.answer.passages] == [
        ("Leave", "Five days.", 40)
    ]
    talk = Conversation(turns=[turn])
    assert [message.content for message in talk.history()] == ["How many?", "Five days."]
    assert [passage.document for passage in talk.passages()] == ["leave"]
    assert not turn.running
    turn.stop()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("", 2), ("  ", 2), ("DAYS", 2), ("five carried", 1), ("Zebra", 1), ("zebra sick", 0)],
)
def test_conversations_are_found_by_name_question_and_answer(
    store: Conversations, wanted: str, found: int
) -> None:
    for name, question in (("Zebra", "How many days?"), ("Other", "How many are carried over?")):
        store.add(store.begin(name), question, answer())
    assert len(matching(store.all(), wanted)) == found


def test_each_reader_has_their_own(store: Conversations) -> None:
    ada = Record(Conversations(store.path, lambda _: {}, owner="ada"))
    ada.begin()
    ada.keep("How many?", answer())
    assert store.all() == ()
    with pytest.raises(ConversationError):
        store.get(ada.id)
