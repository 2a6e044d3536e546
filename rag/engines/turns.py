"""A fair queue in front of an engine that serves one stream at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event


class Turns:
    """First come, first served. Waiting ends early, without a turn, when `cancel` is set."""

    POLL_SECONDS = 0.05

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many hold or wait for a turn."""
        return len(self._queue)

    @contextmanager
    def take(self, cancel: Event) -> Iterator[bool]:
        """Yields True while it is the caller's turn, or False if `cancel` was set first."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            yield self._wait_for(ticket, cancel)
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _wait_for(self, ticket: object, cancel: Event) -> bool:
        with self._changed:
            while self._queue[0] is not ticket:
                if cancel.is_set():
                    return False
                self._changed.wait(self.POLL_SECONDS)
        return not cancel.is_set()
