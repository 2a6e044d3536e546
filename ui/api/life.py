"""Whether the service takes work: it warms up, works, then drains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Literal, Protocol
from weakref import WeakSet

State = Literal["warming", "ready", "draining"]


class Ends(Protocol):
    """Work that can be ended before it is done."""

    def end(self, error: Exception) -> None: ...


class Life:
    """The state of one service, and how many requests it is busy with. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: State = "warming"
        self._running = 0
        self._runs: WeakSet[Ends] = WeakSet()

    @property
    def state(self) -> State:
        return self._state

    @property
    def running(self) -> int:
        """Requests in progress."""
        return self._running

    def warm(self) -> None:
        """The models are loaded. A service that drains already goes on draining."""
        with self._lock:
            if self._state == "warming":
                self._state = "ready"

    def drain(self) -> None:
        """Take nothing new; what runs may finish."""
        with self._lock:
            self._state = "draining"

    def begun(self, run: Ends) -> None:
        """Work that `end` is to reach, for as long as somebody holds it."""
        self._runs.add(run)

    def end(self, error: Exception) -> None:
        """End what runs, each with `error`. Called where the runs were begun: on the event loop."""
        for run in list(self._runs):
            run.end(error)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request while it lasts."""
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
