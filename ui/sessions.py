"""Whose pseudonyms a question meets, and who reads what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rag.restored import may_restore, restored
from rag.safety.policy import Policy
from rag.safety.pseudonyms import Session, Sessions
from rag.types import Answer, AnswerEvent
from ui.held import Held


@dataclass(slots=True)
class Veil:
    """What stands between an answer and its reader. `answer` is the one that may be kept.

    `session` is None where the policy has no pseudonyms; `lifts` is true for a reader who may see
    what they stand for.
    """

    session: Session | None
    lifts: bool
    answer: Answer | None = None

    @classmethod
    def of(
        cls, policy: Policy, sessions: Sessions, held: Held | None, groups: frozenset[str]
    ) -> Veil:
        """That of a question: a conversation has its own names, any other question new ones.

        Raises VaultError, ConversationError.
        """
        if not policy.uses("pseudonym"):
            return cls(None, lifts=False)
        session = Session() if held is None else sessions.of(held.begun())
        return cls(session, may_restore(policy, groups))

    def through(self, events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
        """The events for the reader; the answer is kept as it was made."""
        return restored(self._kept(events), self.session if self.lifts else None)

    @property
    def made(self) -> Answer:
        """The answer as it was made, once all events are through."""
        assert self.answer is not None
        return self.answer

    def _kept(self, events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
        for event in events:
            if isinstance(event, Answer):
                self.answer = event
            yield event
