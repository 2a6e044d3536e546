"""A pool of processes in which a hang, a crash or a memory blow-up costs one task alone."""

from __future__ import annotations

import math
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, Protocol, TypeVar, cast

from pebble import ProcessExpired, ProcessPool

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_TASKS_A_WORKER = 200
_GRACE_SECONDS = 5
_main_lock = threading.Lock()


class TaskFailed(Exception):
    """A task did not return. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Pending(Protocol[T_co]):
    """A result that is on its way."""

    def result(self) -> T_co: ...


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the running script from processes that start now.

    A spawned process imports its parent's main module again: a script without a
    `__name__ == "__main__"` guard would run twice, and a heavy one would load its models in
    every worker.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class _Process(SpawnProcess):
    def start(self) -> None:
        with _without_main():
            super().start()


class _Context(SpawnContext):
    Process = _Process


# What a document may contain is neither fetched nor run, whatever a parser would like to do.
_FORBIDDEN = (
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
    "socket.sendmsg", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn",
    "os.fork", "os.forkpty", "os.startfile", "pty.spawn", "webbrowser.open",
)  # fmt: skip

_REFUSED = frozenset(_FORBIDDEN)


def _enter_worker(memory_bytes: int) -> None:
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    sys.addaudithook(_refuse)


def _refuse(event: str, _: object) -> None:
    if event in _REFUSED:
        raise PermissionError(f"{event} is not allowed where files are read")


def _limit(what: int, amount: int) -> None:
    """Set a soft limit, no higher than what this process was given."""
    _, hard = resource.getrlimit(what)
    allowed = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(what, (allowed, hard))


def _timed(seconds: float, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
    """Run in the worker. The CPU limit ends a hung task even where its parent was killed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = usage.ru_utime + usage.ru_stime
    _limit(resource.RLIMIT_CPU, math.ceil(spent + seconds) + _GRACE_SECONDS)
    return function(*arguments)


class Workers:
    """Runs importable functions in spawned processes with limits on time and memory.

    `seconds` is wall time for each task, `memory_bytes` the address space of each process.
    """

    def __init__(self, count: int, seconds: float, memory_bytes: int) -> None:
        self._count = count
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._pool = self._start()

    def _start(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._count,
            max_tasks=_TASKS_A_WORKER,
            initializer=_enter_worker,
            initargs=(self._memory_bytes,),
            context=cast(Any, _Context()),
        )

    def submit(self, function: Callable[..., T], *arguments: object) -> Pending[T]:
        """Start a task; its function and arguments must be picklable."""
        try:
            return self._schedule(function, arguments)
        except RuntimeError:
            # The pool broke while it was idle: only a new one takes tasks.
            self.close()
            self._pool = self._start()
            return self._schedule(function, arguments)

    def _schedule(self, function: Callable[..., T], arguments: tuple[object, ...]) -> Pending[T]:
        task = self._pool.schedule(
            _timed, args=(self._seconds, function, arguments), timeout=self._seconds
        )
        return cast(Pending[T], task)

    def collect(self, pending: Pending[T], function: Callable[..., T], *arguments: object) -> T:
        """The result of a task, waited for. Raises TaskFailed (timeout, crashed).

        A worker that dies before it says which task it has breaks the whole pool; each task of
        a broken pool is then run once more, so that only the guilty one fails.
        """
        try:
            return self._outcome(pending)
        except BrokenProcessPool:
            again = self.submit(function, *arguments)
        try:
            return self._outcome(again)
        except BrokenProcessPool as error:
            raise TaskFailed("crashed: the reader process did not survive the file") from error

    def _outcome(self, pending: Pending[T]) -> T:
        try:
            return pending.result()
        except TaskTimeout as error:
            raise TaskFailed(f"timeout: not read within {self._seconds:g} s") from error
        except ProcessExpired as error:
            raise TaskFailed(f"crashed: the reader process ended with {error.exitcode}") from error
        except MemoryError as error:
            raise TaskFailed("too large: reading it needs more memory than allowed") from error
        except BrokenProcessPool:
            raise
        except Exception as error:  # a task may raise anything, and costs itself alone
            raise TaskFailed(f"crashed: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Stop all processes, whatever they are doing. Needed once, harmless twice."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
