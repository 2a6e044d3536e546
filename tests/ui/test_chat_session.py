from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

import pytest

from rag.errors import EngineError, ModelUnavailable
from rag.types import (
    Answer,
    AnswerEvent,
    Message,
    ModelRef,
    Sentence,
    Shown,
    StageDone,
    TokenUse,
)
from ui.page.conversation import Conversation
from ui.page.run import Failed, Lease, Run, RunEvent
from ui.page.settings import Loader


def made(text: str, status: str = "answered", cause: str | None = None) -> Answer:
    return Answer(
        status=status,  # type: ignore[arg-type]
        text=text,
        sentences=(Sentence(text, 0.9),),
        passages=(),
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={},
        model=ModelRef("m", "0"),
        trace="",
        cause=cause,
    )


def says(text: str, status: str = "answered") -> object:
    def produce(cancel: Event) -> Iterator[AnswerEvent]:
        yield StageDone("retrieve", 1.0)
        yield Shown(Sentence(text, 0.9))
        yield made(text, status)

    return produce


def talks_on(cancel: Event) -> Iterator[AnswerEvent]:
    shown = 0
    while not cancel.is_set():
        shown += 1
        yield Shown(Sentence(f"{shown}. ", 0.9))
        time.sleep(0.005)
    yield made("so far", cause="stopped by the reader")


def all_of(run: Run, limit_s: float = 5.0) -> list[RunEvent]:
    events: list[RunEvent] = []
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        events += run.take(0.05)
        if events and isinstance(events[-1], Answer | Failed):
            return events
    raise AssertionError(f"no end after {events[-3:]}")


def test_events_come_in_order() -> None:
    kinds = [type(event) for event in all_of(Run(says("Yes.")))]
    assert kinds == [StageDone, Shown, Answer]


def test_stop_reaches_the_model_and_the_answer_still_comes() -> None:
    run = Run(talks_on)
    assert run.take(1.0)
    run.stop()
    last = all_of(run)[-1]
    assert isinstance(last, Answer)
    assert last.cause == "stopped by the reader"


def test_a_page_that_went_away_stops_the_model() -> None:
    ended = Event()

    def produce(cancel: Event) -> Iterator[AnswerEvent]:
        yield from talks_on(cancel)
        ended.set()

    Run(produce, patience_s=0.1)
    assert ended.wait(5.0)


def test_a_lease_lasts_while_it_is_renewed() -> None:
    lease = Lease(0.2)
    for _ in range(4):
        time.sleep(0.06)
        lease.renew()
        assert not lease.is_set()
    lease.set()
    lease.renew()
    assert lease.is_set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EngineError("llama.cpp", "out of memory"), "engine llama.cpp: out of memory"),
        (
            ZeroDivisionError("secret text"),
            "Unexpected ZeroDivisionError; the log has the details.",
        ),
    ],
)
def test_an_error_is_one_line_after_what_was_shown(error: Exception, said: str) -> None:
    def produce(cancel: Event) -> Iterator[AnswerEvent]:
        yield Shown(Sentence("So far.", 0.9))
        raise error

    assert all_of(Run(produce)) == [Shown(Sentence("So far.", 0.9)), Failed(said)]


def test_a_stream_without_an_answer_is_a_failure() -> None:
    assert all_of(Run(lambda cancel: iter([StageDone("retrieve", 1.0)])))[-1] == Failed(
        "The answer broke off without a result."
    )


def test_history_is_what_was_shown() -> None:
    talk = Conversation()
    for question, produce in [
        ("a?", says("A.")),
        ("bad", says("Notice.", "blocked")),
        ("c?", says("I don't know.", "abstained")),
    ]:
        talk.ask(question, produce)
        while talk.turns[-1].running:
            talk.turns[-1].advance(0.05)
    assert talk.history() == [
        Message("user", "a?"),
        Message("assistant", "A."),
        Message("user", "c?"),
        Message("assistant", "I don't know."),
    ]


def test_a_new_question_ends_the_running_one_and_keeps_what_it_showed() -> None:
    talk = Conversation()
    talk.ask("first", talks_on)
    first = talk.turns[0]
    assert first.advance(1.0)
    shown = "".join(sentence.text for sentence in first.shown).strip()
    talk.ask("second", says("Yes."))
    assert first.run.stopping
    assert talk.history() == [Message("user", "first"), Message("assistant", shown)]
    while first.running:
        first.advance(0.05)
    assert first.answer is not None
    talk.clear()
    assert talk.history() == []


class FakeAssistant:
    def stream(self, *_: object, **__: object) -> Iterator[AnswerEvent]:
        yield made("Yes.")


def test_the_loader_opens_once_and_tries_again_after_a_failure() -> None:
    opened: list[int] = []

    def opener() -> FakeAssistant:
        opened.append(1)
        if len(opened) == 1:
            raise ModelUnavailable("tiny", ())
        return FakeAssistant()

    loader = Loader(opener)
    assert "surefoot models pull tiny" in (loader.problem(5.0) or "")
    assert [type(event) for event in loader.stream("q", [], frozenset(), Event())] == [
        StageDone,
        Answer,
    ]
    assert loader.get() is loader.get()
    assert loader.problem(0.0) is None
    assert len(opened) == 2
