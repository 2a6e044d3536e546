"""One writer at a time. The lock goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError

NAME = "writer.lock"
_POLL_SECONDS = 0.1


@contextmanager
def writer_lock(
    directory: Path, wait: float = 0.0, waiting: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Hold the write lock of a knowledge base; yields whether another writer was waited for.

    Waits up to `wait` seconds; `waiting` is told once who holds the lock. Raises
    KnowledgeBaseBusy when it is still taken then, and KnowledgeBaseError.
    """
    try:
        handle = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise KnowledgeBaseError(directory, f"cannot be written: {error.strerror}") from error
    try:
        waited = _take(handle, directory, wait, waiting)
        _sign(handle)
        yield waited
    finally:
        # The file stays: removing it would let two writers hold locks on two files of one name.
        os.close(handle)


def _take(handle: int, directory: Path, wait: float, waiting: Callable[[str], None] | None) -> bool:
    deadline = time.monotonic() + wait
    waited = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise KnowledgeBaseBusy(directory, _holder(handle)) from error
        else:
            return waited
        if not waited and waiting is not None:
            waiting(_holder(handle))
        waited = True
        time.sleep(_POLL_SECONDS)


def _holder(handle: int) -> str:
    written = os.pread(handle, 200, 0).decode("utf-8", errors="replace").strip()
    return written or "another process"


def _sign(handle: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode(), 0)
