"""The audit log as rows, read on from where the last look ended. It checks nothing: `verify` does.

A restart loses nothing, since all is on disk.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from pathlib import Path
from threading import Lock

from rag.audit_chain import log_files, parsed
from ui.operations.rows import Row, row_of

DAYS = 31
MOST = 200_000


class Ledger:
    """The rows of the last `days` in `folder`, and of them the newest `most`. Safe for threads."""

    def __init__(self, folder: Path, days: int = DAYS, most: int = MOST) -> None:
        self._folder = folder
        self._seconds = days * 86_400
        self._rows: deque[Row] = deque(maxlen=most)
        self._read: dict[str, int] = {}
        self._lock = Lock()

    @property
    def full(self) -> bool:
        """Whether older rows may have had to go."""
        return len(self._rows) == self._rows.maxlen

    def exists(self) -> bool:
        """Whether anything was ever logged."""
        return bool(log_files(self._folder))

    def rows(self, now: float | None = None) -> list[Row]:
        """The rows up to this moment, the oldest first. Raises OSError."""
        since = (time.time() if now is None else now) - self._seconds
        with self._lock:
            files = log_files(self._folder)
            if any(path.stat().st_size < self._read.get(path.name, 0) for path in files):
                self._rows.clear()
                self._read.clear()
            for path in files:
                # Lines are only ever appended, so that its last one is as old as the file.
                if path.name in self._read or path.stat().st_mtime >= since:
                    self._go_on(path)
            rows = list(self._rows)
        return rows[bisect_left(rows, since, key=lambda row: row.at) :]

    def _go_on(self, path: Path) -> None:
        begin = self._read.get(path.name, 0)
        with path.open("rb") as stream:
            stream.seek(begin)
            data = stream.read()
        whole = data.rfind(b"\n") + 1
        for raw in data[:whole].split(b"\n"):
            line = parsed(raw)
            row = row_of(line) if line is not None else None
            if row is not None:
                self._rows.append(row)
        self._read[path.name] = begin + whole
