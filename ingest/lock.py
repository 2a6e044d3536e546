"""One writer at a time. The lock goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError

NAME = "writer.lock"


@contextmanager
def writer_lock(directory: Path) -> Iterator[None]:
    """Hold the write lock of a knowledge base. Raises KnowledgeBaseBusy at once when taken."""
    try:
        handle = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise KnowledgeBaseError(directory, f"cannot be written: {error.strerror}") from error
    try:
        _take(handle, directory)
        yield
    finally:
        # The file stays: removing it would let two writers hold locks on two files of one name.
        os.close(handle)


def _take(handle: int, directory: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 200, 0).decode("utf-8", errors="replace").strip()
        raise KnowledgeBaseBusy(directory, holder or "another process") from error
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode(), 0)
