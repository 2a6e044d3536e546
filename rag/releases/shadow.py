"""Shadow mode: a candidate answers copies of questions, after the reader has the answer, unseen.

It works only while no reader waits: a question that comes stops it. What it can't do is dropped
and counted.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Event, Thread, get_native_id
from typing import TYPE_CHECKING

from rag.pipeline import Assistant
from rag.releases.canary import ERRORS, Referee, Twin
from rag.releases.trial import differences, hits_of
from rag.safety.pseudonyms import Session
from rag.types import Answer, AnswerEvent, Decoding, Message

if TYPE_CHECKING:
    from ingest.conditions import Where

LOG = logging.getLogger("surefoot.releases")
WAITING = 8
NICE = 10
DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Copy:
    """A question that was answered, as it was asked."""

    unit: str
    shown: Answer
    question: str
    history: tuple[Message, ...]
    groups: frozenset[str]
    where: Where
    decoding: Decoding | None


class Shadow:
    """One thread that answers copies while no reader waits. At most `waiting` of them wait."""

    def __init__(self, candidate: Assistant, referee: Referee, waiting: int = WAITING) -> None:
        self._candidate = Twin(candidate, (), traced=False)
        self._referee = referee
        self._most = waiting
        self._copies: deque[Copy] = deque()
        self._changed = Condition()
        self._readers = 0
        self._stop = Event()
        self._closed = False
        self._thread = Thread(target=self._work, name="surefoot-shadow", daemon=True)
        self._thread.start()

    def enter(self) -> None:
        """A reader asks: the copy that is being answered is dropped."""
        with self._changed:
            self._readers += 1
            self._stop.set()

    def leave(self) -> None:
        """A reader has the answer, or has gone."""
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    def offer(self, copy: Copy) -> None:
        """Answer this one later, if there is room."""
        with self._changed:
            if room := len(self._copies) < self._most and not self._closed:
                self._copies.append(copy)
                self._changed.notify_all()
        if not room:
            self._referee.count(copy.unit, {}, (DROPPED,))

    def close(self, seconds: float = 0.0) -> None:
        """Stop; what waits is forgotten. Waits for the thread for at most so long."""
        with self._changed:
            self._closed = True
            self._copies.clear()
            self._stop.set()
            self._changed.notify_all()
        if seconds:
            self._thread.join(seconds)

    def _work(self) -> None:
        with suppress(OSError):  # a machine that knows no priorities answers at its own
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)
        while (copy := self._next()) is not None:
            self._answer(copy)

    def _next(self) -> Copy | None:
        """The oldest copy, once no reader waits; None when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._copies and not self._readers))
            if self._closed:
                return None
            self._stop = Event()
            return self._copies.popleft()

    def _answer(self, copy: Copy) -> None:
        stop, slow = self._stop, float("inf")
        notes: tuple[str, ...] = ("failed",)
        try:
            answer = self._candidate.answer(
                copy.question, copy.history, copy.groups, stop, copy.where, copy.decoding
            )
        except Exception as error:  # noqa: BLE001  nobody waits for it: it counts against it
            LOG.warning("the shadow failed: %s", error)
            hits = ERRORS
        else:
            # How long it took says nothing: it had only what was left of the machine.
            found = hits_of(answer, slow)
            if stop.is_set() or found is None:
                self._referee.count(copy.unit, {}, (DROPPED,))
                return
            hits, notes = found, differences(answer, copy.shown)
        base = hits_of(copy.shown, slow) or frozenset()
        self._referee.count(copy.unit, {"canary": hits, "baseline": base}, notes)


class Shadowed(Twin):
    """The stable assistant. With a `unit`, its questions are copied to the shadow when answered."""

    def __init__(self, stable: Assistant, shadow: Shadow, unit: str | None) -> None:
        super().__init__(stable, stable.observers)
        self._stable = stable
        self._shadow = shadow
        self._unit = unit

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        groups: frozenset[str] = frozenset(),
        cancel: Event | None = None,
        where: Where = (),
        decoding: Decoding | None = None,
        by: str = "",
        session: Session | None = None,
    ) -> Iterator[AnswerEvent]:
        """As the stable assistant's."""
        answer: Answer | None = None
        self._shadow.enter()
        try:
            for event in self._stable.stream(
                question, history, groups, cancel, where, decoding, by, session
            ):
                answer = event if isinstance(event, Answer) else None
                yield event
        finally:
            # Also where the reader goes away with the last event in hand.
            self._shadow.leave()
            if answer is not None and self._unit and hits_of(answer, 0.0) is not None:
                copy = Copy(self._unit, answer, question, tuple(history), groups, where, decoding)
                self._shadow.offer(copy)
