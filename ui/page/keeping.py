"""How the chat keeps its conversations, and what a kept turn is when it is opened again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from rag.conversations import Conversations
from rag.safety.pseudonyms import Session, Sessions
from rag.turns import WITHHELD, ConversationError, Said, Source, Turn, history_of, turn_of
from rag.types import Answer, Citation, Message, ModelRef, Passage, Sentence, TokenUse
from ui.view import short

LOG = logging.getLogger("surefoot.chat")
UNNAMED = "New conversation"
NAME_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Past:
    """A kept turn as the page draws it. `rests_on` are its documents, as passages without text."""

    question: str
    answer: Answer
    history: tuple[Message, ...]
    rests_on: tuple[Passage, ...]

    @classmethod
    def of(cls, turn: Turn) -> Past:
        rests_on = (
            Passage(0, 0.0, 0.0, 0.0, document, document, "", (), None, 0, 0, "", groups)
            for document, groups in turn.needs
        )
        return cls(turn.question, _answer(turn), history_of([turn]), tuple(rests_on))


@dataclass
class Record:
    """Where a conversation of `groups` is kept; without a store it is not.

    `id` is "" before the first question. `problem` says why nothing more is kept. The pseudonyms of
    `session` live with it: where `sessions` are given they outlive the page. One thread at a time
    writes to it: that of the running answer.
    """

    store: Conversations | None = None
    groups: frozenset[str] = frozenset()
    sessions: Sessions | None = None
    id: str = ""
    name: str = ""
    problem: str = ""
    session: Session = field(default_factory=Session)

    def another(self) -> Record:
        """An empty one at the same place."""
        return Record(self.store, self.groups, self.sessions)

    def begin(self) -> Session:
        """The session for a question; the first one begins the conversation. Raises VaultError."""
        if self.store is not None and not self.id and not self.problem:
            try:
                self.id = self.store.begin_new(UNNAMED).id
            except ConversationError as error:
                self._failed(error)
        return self.resume()

    def resume(self) -> Session:
        """The session that this conversation has had. Raises VaultError."""
        if self.id and self.sessions is not None:
            self.session = self.sessions.of(self.id)
        return self.session

    def keep(self, question: str, answer: Answer, instead: int = 0) -> int:
        """Keep a turn, in the place of turn `instead` if there is one. Its number, 0 if it is not.

        The reader has been given the answer: what can't be kept costs a note, not the answer.
        """
        if self.store is None or not self.id or self.problem:
            return 0
        try:
            return self._keep(self.store, question, answer, instead)
        except ConversationError as error:
            self._failed(error)
            return 0

    def _keep(self, store: Conversations, question: str, answer: Answer, instead: int) -> int:
        held = store.turns(self.id, self.groups)
        earlier = tuple(turn for turn in held if turn.number != instead)
        kept = store.add(self.id, question, answer, self.groups, earlier)
        if instead:
            store.withdraw(self.id, instead)
        if not self.name:
            self.name = store.title(self.id, _name(question, answer))
        return kept.turn

    def _failed(self, error: ConversationError) -> None:
        LOG.error("a conversation is not kept: %s", error)
        self.problem = error.problem


def _name(question: str, answer: Answer) -> str:
    """A name from the first question, as far as the guard let it pass."""
    asked = turn_of(0, "", question, answer, frozenset()).question
    words = "".join(letter if letter.isprintable() else " " for letter in asked)
    return UNNAMED if asked == WITHHELD else short(words, NAME_WIDTH) or UNNAMED


def _answer(turn: Turn) -> Answer:
    return Answer(
        status=turn.status,
        text=turn.text,
        sentences=tuple(map(_sentence, turn.said)),
        passages=tuple(_passage(source) for said in turn.said for source in said.sources),
        findings=(),
        tokens=TokenUse(0, 0, 0),
        timings_ms={},
        model=ModelRef("", ""),
        trace="",
    )


def _passage(source: Source) -> Passage:
    """As much of a passage as was kept: its quote, under its title."""
    return Passage(
        0, 0.0, 0.0, 0.0, source.document, source.path, source.title, (), source.page,
        source.start, source.end, source.quote,
    )  # fmt: skip


def _sentence(said: Said) -> Sentence:
    return Sentence(said.text, said.support, tuple(map(_citation, said.sources)))


def _citation(source: Source) -> Citation:
    return Citation(
        source.document, source.path, source.page, source.start, source.end, source.quote
    )
