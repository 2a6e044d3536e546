"""Who may run now, who waits, and who is told to come back: a bounded queue, fair between keys.

Nothing here knows what runs. Whoever enters gets its turn, an error that says when to come back, or
leaves because its client did; none is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from threading import Condition, Event, Lock
from typing import Literal

from rag.errors import SurefootError
from ui.api.line import Line

LONGEST_RETRY = 600
_FIRST_GUESS = 5.0
_WEIGHT = 0.2
_LOOK_SECONDS = 0.2

State = Literal["waiting", "running", "refused"]


class Busy(SurefootError):
    """No room now. `status` is 429 if this key fills the queue, else 503; `retry_after` seconds."""

    def __init__(self, status: Literal[429, 503], retry_after: int, problem: str) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(f"{problem}; try again in {retry_after} seconds")


class ClientLeft(SurefootError):
    """The client left while its request waited."""

    def __init__(self) -> None:
        super().__init__("the client left before its turn")


@dataclass(slots=True, eq=False)
class Ticket:
    """One request. `called` is set when it need not wait any longer."""

    state: State = "waiting"
    called: Event = field(default_factory=Event)

    def call(self, state: State) -> None:
        self.state = state
        self.called.set()


def retry_after(waiting: int, workers: int, service_s: float) -> int:
    """Whole seconds until a place is likely: all who wait, and one more, `workers` at a time."""
    return min(LONGEST_RETRY, max(1, ceil((waiting + 1) * service_s / workers)))


class Admission:
    """`workers` run at once, `queue` wait at most, each for `patience_s` seconds at most.

    Used by threads, each for its own request.
    """

    def __init__(
        self,
        workers: int,
        queue: int,
        patience_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._line: Line[Ticket] = Line(queue)
        self._patience_s = patience_s
        self._clock = clock
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._running = 0
        self._closed = False
        self._service_s = _FIRST_GUESS

    @property
    def depth(self) -> int:
        """How many wait."""
        return len(self._line)

    @property
    def running(self) -> int:
        return self._running

    @contextmanager
    def enter(self, key_id: str, cancel: Event) -> Iterator[None]:
        """Wait for a turn, and hold it for the body. Raises Busy, or ClientLeft by `cancel`.

        One who waits may be refused later, for a key that has less than its share, or by `close`.
        """
        self._wait(key_id, self._ticket(key_id), cancel)
        began = self._clock()
        try:
            yield
        finally:
            with self._lock:
                spent = self._clock() - began
                self._service_s += _WEIGHT * (spent - self._service_s)
                self._hand_over()

    def close(self, timeout_s: float | None = None) -> bool:
        """Refuse who waits and who comes; wait for those who run. False if time ran out first."""
        with self._lock:
            self._closed = True
            while (ticket := self._line.next()) is not None:
                ticket.call("refused")
            return self._idle.wait_for(lambda: not self._running, timeout_s)

    def _ticket(self, key: str) -> Ticket:
        """A ticket that runs or waits. Raises Busy."""
        ticket = Ticket()
        with self._lock:
            if self._closed:
                raise self._busy(503, "the server is stopping")
            if self._running < self._workers:
                self._running += 1
                ticket.call("running")
                return ticket
            if self._line.full:
                self._make_room(key)
            self._line.join(key, ticket)
        return ticket

    def _make_room(self, key: str) -> None:
        other = self._line.make_room(key)
        if other is not None:
            other.call("refused")
        elif self._line.waiting(key) >= self._line.share(key):
            raise self._busy(429, "too many requests of this key are waiting")
        else:
            raise self._busy(503, "too many requests are waiting")

    def _wait(self, key: str, ticket: Ticket, cancel: Event) -> None:
        until = self._clock() + self._patience_s
        # Two events can't be waited for at once; who leaves is noticed a moment later.
        while not ticket.called.wait(_LOOK_SECONDS):
            if cancel.is_set():
                self._give_up(key, ticket)
                raise ClientLeft
            if self._clock() >= until:
                self._give_up(key, ticket)
                raise self._busy(503, "its turn did not come")
        with self._lock:
            if ticket.state == "running":
                return
            if self._closed:
                raise self._busy(503, "the server is stopping")
            raise self._busy(429, "too many requests of this key are waiting")

    def _give_up(self, key: str, ticket: Ticket) -> None:
        """Take the ticket out; if it was called just now, its turn is passed on."""
        with self._lock:
            if ticket.state == "waiting":
                self._line.leave(key, ticket)
            elif ticket.state == "running":
                self._hand_over()

    def _hand_over(self) -> None:
        """A turn has ended: the next who waits has it, at once, or one fewer runs."""
        ticket = self._line.next()
        if ticket is not None:
            ticket.call("running")
            return
        self._running -= 1
        if not self._running:
            self._idle.notify_all()

    def _busy(self, status: Literal[429, 503], problem: str) -> Busy:
        wait = retry_after(len(self._line), self._workers, self._service_s)
        return Busy(status, wait, problem)
