"""A question and what was said before it, as the model may read them, and a trace may keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.safety.guard import Guard
from rag.safety.pseudonyms import Session
from rag.types import Decision, Message, Recalled, Verdict

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Heard:
    """What the guard let pass. `verdict` is the question's, or that of a history it can't check.

    `session` gives the pseudonyms, where the policy wants any.
    """

    verdict: Verdict
    question: str
    history: tuple[Message, ...]
    session: Session | None = None

    @property
    def talk(self) -> str:
        """The session's id; "" where there are no pseudonyms."""
        return self.session.id if self.session else ""


def hear(question: str, history: Sequence[Message], guard: Guard, session: Session | None) -> Heard:
    """Guard a question, and the history too where the model may see pseudonyms only.

    Pseudonyms in the history are its own: they are given to nobody else. Without a `session`, a
    policy that has pseudonyms gets a new one. Raises what the session's ledger raises.
    """
    policy = guard.policy
    if not policy.uses("pseudonym"):
        verdict = guard.check(question, "question")
        return Heard(verdict, _passed(verdict, question), tuple(history))
    session = session or Session()
    session.hold(message.content for message in history)
    hides = policy.restoring.to_model
    verdict = guard.check(question, "question", names=session)
    told = "" if hides and verdict.decision is Decision.BLOCK else _passed(verdict, question)
    if not hides:
        return Heard(verdict, told, tuple(history), session)
    # As answers: what the conversation has been told holds pseudonyms of ours.
    checked = [guard.check(message.content, "answer", names=session) for message in history]
    failed = next((found for found in checked if found.status == "error"), None)
    pairs = zip(history, checked, strict=True)
    said = () if failed else tuple(_said(message, found) for message, found in pairs)
    return Heard(failed or verdict, told, said, session)


def _passed(verdict: Verdict, question: str) -> str:
    """A blocked question goes to no model; what it was is for its trace."""
    return question if verdict.decision is Decision.BLOCK else verdict.text


def _said(message: Message, verdict: Verdict) -> Message:
    if verdict.text == message.content:
        return message
    text = verdict.text or HIDDEN
    if isinstance(message, Recalled):
        # Its sentences are cut anew: those that came with it are raw.
        return replace(message, content=text, facts=())
    return replace(message, content=text)
