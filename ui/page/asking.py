"""How the chat asks: what makes an answer, keeps it, and looks for what could be asked next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol, runtime_checkable

from evals.review.queue import Audit, ReviewQueue
from evals.review.types import Asked
from ingest.types import DocumentRecord
from rag.config import load as load_config
from rag.types import Answer, AnswerEvent, Message, Passage
from ui.page import conversations, feedback
from ui.page.context import Context
from ui.page.conversation import After
from ui.page.keeping import Record
from ui.page.run import Produce
from ui.page.settings import Loader
from ui.page.suggest import suggestions


class Finds(Protocol):
    """The part of an assistant that searches."""

    def retrieve(self, question: str, groups: frozenset[str], top: int) -> list[Passage]: ...


@runtime_checkable
class Searching(Protocol):
    """An assistant that can be asked for passages alone."""

    @property
    def retriever(self) -> Finds: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page works with: for whom, over which documents, with which assistant."""

    context: Context
    seen: tuple[DocumentRecord, ...]
    loader: Loader
    queue: ReviewQueue

    @property
    def groups(self) -> frozenset[str]:
        return self.context.reader.groups


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what came before it. The `again`-th repetition takes turn `instead`'s place.

    `known` are all questions so far, which are not suggested again.
    """

    text: str
    history: tuple[Message, ...]
    earlier: tuple[Passage, ...]
    known: tuple[str, ...]
    again: int = 0
    instead: int = 0

    def asked(self, answer: Answer) -> Asked:
        return Asked(answer.asked or self.text, answer, self.history, self.earlier)


def ask(desk: Desk, text: str) -> None:
    """Begin a turn."""
    talk, after = conversations.current(desk.context), After()
    known = (text, *(turn.question for turn in talk.turns))
    question = Question(text, tuple(talk.history()), talk.passages(), known)
    talk.ask(text, produce(desk, talk.record, question, after), after)


def ask_again(desk: Desk) -> None:
    """Make the last answer once more."""
    talk, after = conversations.current(desk.context), After()
    turn = talk.turns[-1]
    versions = (turn, *reversed(turn.before))
    question = Question(
        turn.question,
        turn.history,
        turn.earlier,
        tuple(turn.question for turn in talk.turns),
        again=len(versions),
        instead=next((item.after.kept for item in versions if item.after.kept), 0),
    )
    talk.again(produce(desk, talk.record, question, after), after)


def produce(desk: Desk, record: Record, question: Question, after: After) -> Produce:
    """What makes an answer in a thread of its own. It is kept before the reader has all of it."""
    audit = Audit(desk.queue, load_config().review.audit_every)

    def run(cancel: Event) -> Iterator[AnswerEvent]:
        said, history = question.text, question.history
        session = record.begin()
        try:
            for event in desk.loader.stream(
                said, history, desk.groups, cancel, session, question.again
            ):
                if isinstance(event, Answer):
                    after.kept = record.keep(said, event, question.instead)
                yield event
                if isinstance(event, Answer):
                    after.questions = follow_ups(desk, event, question.known)
        finally:
            after.known = True

    return feedback.audited(run, audit, question.asked)


def follow_ups(desk: Desk, answer: Answer, known: Sequence[str]) -> tuple[str, ...]:
    """Questions to go on with, where the assistant can search."""
    assistant = desk.loader.get()
    if not isinstance(assistant, Searching) or answer.status == "blocked":
        return ()
    retriever = assistant.retriever
    return suggestions(answer, known, lambda text: retriever.retrieve(text, desk.groups, 1))
