"""Runs a job under a time limit. A thread cannot be killed, so an overdue one is left behind.

Worker threads are kept between jobs because numerical libraries hold a thread pool for every
thread that calls them; they are daemons so that a job which never ends cannot keep the program up.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NoReturn, TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The job did not end in time, or too many earlier ones never ended."""


class Worker:
    """One daemon thread that takes jobs until it is dismissed."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._loop, name="surefoot-guard", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def give(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def dismiss(self) -> None:
        self._jobs.put(None)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


class Runner:
    """Runs jobs on daemon threads. `max_overdue` threads may be stuck before it refuses work."""

    def __init__(self, max_overdue: int = 8) -> None:
        self._max_overdue = max_overdue
        self._idle: list[Worker] = []
        self._overdue: list[Worker] = []
        self._lock = Lock()

    def run(self, job: Callable[[], T], timeout_s: float) -> T:
        """The job's result; what it raises is raised here. Raises Overdue after `timeout_s`."""
        worker = self._take()
        reply: SimpleQueue[Callable[[], T]] = SimpleQueue()
        worker.give(lambda: reply.put(_outcome(job)))
        try:
            outcome = reply.get(timeout=timeout_s)
        except Empty:
            self._abandon(worker)
            raise Overdue from None
        with self._lock:
            self._idle.append(worker)
        return outcome()

    def _take(self) -> Worker:
        with self._lock:
            self._overdue = [worker for worker in self._overdue if worker.alive]
            if len(self._overdue) >= self._max_overdue:
                raise Overdue
            return self._idle.pop() if self._idle else Worker()

    def _abandon(self, worker: Worker) -> None:
        worker.dismiss()
        with self._lock:
            self._overdue.append(worker)


def _outcome(job: Callable[[], T]) -> Callable[[], T]:
    """A function that returns or raises what the job did, to be called on the waiting thread."""
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001  the waiting thread must learn of it
        return _raiser(error)
    return lambda: result


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def raise_it() -> NoReturn:
        raise error

    return raise_it
