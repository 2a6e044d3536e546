"""One answer being made in a thread of its own, so that the page stays free to stop it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event

from rag.errors import SurefootError
from rag.types import Answer, AnswerEvent

LOG = logging.getLogger("surefoot.chat")
PATIENCE_S = 30.0
Produce = Callable[[Event], Iterator[AnswerEvent]]


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer could not be made; `problem` is one line for people."""

    problem: str


RunEvent = AnswerEvent | Failed


class Lease(Event):
    """An event that is also set when nobody has renewed it for `seconds`.

    A reader who closes the page leaves no other sign, and the model should not go on for nobody.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        self._until = time.monotonic() + self._seconds

    def is_set(self) -> bool:
        return super().is_set() or time.monotonic() > self._until


class Run:
    """Starts `produce` at once. The last event that `take` gives is an Answer or Failed."""

    def __init__(self, produce: Produce, patience_s: float = PATIENCE_S) -> None:
        self._cancel = Lease(patience_s)
        self._events: SimpleQueue[RunEvent] = SimpleQueue()
        self._produce = produce
        self.stopping = False
        threading.Thread(target=self._work, name="surefoot-answer", daemon=True).start()

    def stop(self) -> None:
        """Stops the model within a token; the last event still comes."""
        self.stopping = True
        self._cancel.set()

    def take(self, wait_s: float) -> list[RunEvent]:
        """The events since the last call; waits at most `wait_s` for a first one."""
        self._cancel.renew()
        events: list[RunEvent] = []
        try:
            events.append(self._events.get(timeout=wait_s))
            while True:
                events.append(self._events.get_nowait())
        except Empty:
            return events

    def _work(self) -> None:
        try:
            last: AnswerEvent | None = None
            for last in self._produce(self._cancel):
                self._events.put(last)
            if not isinstance(last, Answer):
                self._events.put(Failed("The answer broke off without a result."))
        except SurefootError as error:
            self._events.put(Failed(str(error)))
        except Exception as error:
            # The end of a thread: what is not reported here is reported nowhere.
            LOG.exception("an answer failed")
            self._events.put(Failed(f"Unexpected {type(error).__name__}; the log has the details."))
