"""Hashes of files, remembered with the status that the file had."""

from __future__ import annotations

import time

from ingest.load import Source, content_hash
from ingest.plan import Plan
from ingest.writer import FileHash, Writer

_SETTLED_SECONDS = 2
_AT_ONCE = 1000


class Hashes:
    """What files' bytes hash to. Without a writer (a dry run) nothing is remembered."""

    def __init__(self, plan: Plan, writer: Writer | None) -> None:
        self._plan = plan
        self._writer = writer
        self._new: list[FileHash] = []

    def of(self, source: Source) -> str:
        """The file's hash; from memory where size, time and inode are what they were.

        Raises OSError.
        """
        status = (str(source.path), source.size, source.mtime_ns, source.inode)
        known = self._plan.known_hash(*status)
        if known is not None:
            return known
        sha256 = content_hash(source.path)
        # A file that changed just now may change again within the clock's resolution.
        if time.time_ns() - source.mtime_ns > _SETTLED_SECONDS * 1_000_000_000:
            self._new.append(FileHash(*status, sha256))
            if len(self._new) >= _AT_ONCE:
                self.save()
        return sha256

    def save(self) -> None:
        """Remember those that are new."""
        if self._writer is not None and self._new:
            self._writer.add_hashes(self._new)
        self._new = []


def is_same(source: Source) -> bool:
    """Whether the file's size and time are still those that it was met with."""
    try:
        status = source.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (source.size, source.mtime_ns)
