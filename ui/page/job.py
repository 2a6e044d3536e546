"""Long work in a thread of its own: how far it is, how it ended, and the wish that it stop.

It goes on when its page is left or drawn again, and nobody has to watch it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ingest.errors import SurefootError
from ingest.progress import Stage
from ingest.types import Failure
from ui.page.context import Reader

T = TypeVar("T")
LOG = logging.getLogger("surefoot.chat")
WORDS: dict[Stage, str] = {
    "read": "Reading and indexing",
    "chunk": "Reading and indexing",
    "embed": "Reading and indexing",
    "index": "Finishing the index",
    "scan": "Looking for instructions to the assistant",
}
_TELLING_S, _TELLING_SHARE = 2.0, 0.02


class Halted(Exception):
    """Raised in a job's own thread, between two steps, where it was asked to stop."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job is. `total` is None while it is not known; `left` are seconds, if known."""

    phase: str
    done: int
    total: int | None
    chunks: int
    failed: tuple[Failure, ...]
    seconds: float
    left: float | None

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


def seconds_left(seconds: float, share: float) -> float | None:
    """What is still to come if it goes on as it went; None while too little is done to tell."""
    if seconds < _TELLING_S or share < _TELLING_SHARE:
        return None
    return seconds * (1.0 / min(share, 1.0) - 1.0)


class Tally:
    """The progress of a job, told by its thread and read by pages. Any step may raise Halted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self._phase = "Starting"
        self._done: dict[Stage, int] = {}
        self._totals: dict[Stage, int | None] = {}
        self._shown: Stage = "read"
        self._failed: list[Failure] = []
        self._began = time.monotonic()

    def say(self, phase: str) -> None:
        """What goes on now, in words."""
        self._go_on()
        with self._lock:
            self._phase = phase

    def start(self, stage: Stage, total: int | None) -> None:
        self._go_on()
        with self._lock:
            self._phase, self._totals[stage] = WORDS[stage], total
            if stage in ("read", "scan"):
                self._shown, self._began = stage, time.monotonic()
                # A job may read more than once: each time anew.
                self._done.clear()

    def advance(self, stage: Stage, n: int = 1) -> None:
        self._go_on()
        with self._lock:
            self._done[stage] = self._done.get(stage, 0) + n

    def failed(self, path: str, reason: str) -> None:
        self._go_on()
        with self._lock:
            self._failed.append(Failure(path, reason))

    def halt(self) -> None:
        self._halt.set()

    def read(self) -> Standing:
        """How it stands now."""
        with self._lock:
            done, total = self._done.get(self._shown, 0), self._totals.get(self._shown)
            seconds = time.monotonic() - self._began
            return Standing(
                self._phase,
                done,
                total,
                self._done.get("chunk", 0),
                tuple(self._failed),
                seconds,
                seconds_left(seconds, self._worked(done, total)),
            )

    def _worked(self, done: int, total: int | None) -> float:
        """The share of the work that is behind: of what was read, that which is embedded too."""
        cut, embedded = self._done.get("chunk", 0), self._done.get("embed", 0)
        share = done / total if total else 0.0
        return share * min(embedded / cut, 1.0) if cut and self._shown == "read" else share

    def _go_on(self) -> None:
        if self._halt.is_set():
            raise Halted


class Job(Generic[T]):
    """Starts `work` at once. In the end there is a `result`, or a `problem`, or it was stopped.

    The names that it speaks of are for who started it, and for who is in all of `groups`.
    """

    def __init__(
        self, work: Callable[[Tally], T], by: Reader, groups: frozenset[str] = frozenset()
    ) -> None:
        self._by = by.name
        self._groups = groups
        self.tally = Tally()
        self.result: T | None = None
        self.problem = ""
        self.stopping = False
        # Given to the thread alone: what it works on is let go when it ends.
        self._thread = threading.Thread(
            target=self._run, args=(work,), name="surefoot-job", daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ends it before its next step; what it has not committed by then stays undone."""
        self.stopping = True
        self.tally.halt()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        self._thread.join(seconds)
        return not self.running

    def names_for(self, reader: Reader) -> bool:
        """Whether this reader may be told names."""
        return reader.name == self._by or self._groups <= reader.groups

    def _run(self, work: Callable[[Tally], T]) -> None:
        try:
            self.result = work(self.tally)
        except Halted:
            LOG.info("a job was stopped by its reader")
        except SurefootError as error:
            self.problem = str(error)
        except Exception as error:
            # The end of a thread: what is not reported here is reported nowhere.
            LOG.exception("a job failed")
            self.problem = f"Unexpected {type(error).__name__}; the log has the details."
