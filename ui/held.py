"""The conversation that a question belongs to: what came before it, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rag.conversations import Conversations, Kept
from rag.turns import ConversationError, Turn, history_of, plain
from rag.types import Answer, Message, Passage


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation by its name or id, with the turns that its asker may see."""

    store: Conversations
    key: str
    groups: frozenset[str]
    earlier: tuple[Turn, ...]

    @classmethod
    def named(cls, kb: Path, key: str, groups: frozenset[str]) -> Held:
        """One that begins or goes on. Raises ConversationError."""
        store = Conversations.beside(kb)
        return cls(store, key, groups, store.turns(key, groups))

    @classmethod
    def latest(cls, kb: Path, groups: frozenset[str]) -> Held:
        """The one that was held last. Raises ConversationError if there is none."""
        store = Conversations.beside(kb)
        found = next(iter(store.all(groups)), None)
        if found is None:
            raise ConversationError("there is none to go on with; --conversation NAME begins one")
        return cls(store, found.id, groups, found.turns)

    @property
    def history(self) -> tuple[Message, ...]:
        return history_of(self.earlier)

    def begun(self) -> str:
        """Its id, also before its first turn. Raises ConversationError."""
        return self.store.begin(self.key)

    def keep(self, question: str, answer: Answer) -> Kept:
        """Keep the turn. Raises ConversationError."""
        return self.store.add(self.key, question, answer, self.groups, self.earlier)

    def told(self) -> tuple[Message, ...]:
        """The history as a review keeps it."""
        return plain(self.history)

    def rests_on(self) -> tuple[Passage, ...]:
        """What the history rests on, as passages without text: whom a review of it is open to."""
        needs = dict(need for turn in self.earlier for need in turn.needs)
        return tuple(
            Passage(0, 0.0, 0.0, 0.0, document, document, "", (), None, 0, 0, "", groups)
            for document, groups in needs.items()
        )
