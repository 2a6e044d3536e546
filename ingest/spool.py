"""The files of a job on disk instead of in memory, however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingest.load import Source

_TABLE = """
CREATE TABLE sources (
  seq INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, inode TEXT NOT NULL, is_corpus INTEGER NOT NULL);
"""
_AT_ONCE = 256


class Spool:
    """Sources in their order, each path once, in a database of no name that goes with this."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # It is written once and read once, in order: more would only be held.
        self._connection.execute("PRAGMA cache_size=-256")
        self._connection.execute(_TABLE)
        # An inode may be larger than SQLite's integers.
        rows = (
            (str(each.path), each.size, each.mtime_ns, str(each.inode), each.is_corpus)
            for each in sources
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO sources (path, size, mtime_ns, inode, is_corpus)"
            " VALUES (?,?,?,?,?)",
            rows,
        )

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM sources").fetchone()[0])

    def files(self) -> Iterator[Source]:
        """All that are not corpora."""
        return self._each(corpora=False)

    def corpora(self) -> Iterator[Source]:
        """All that are."""
        return self._each(corpora=True)

    def _each(self, *, corpora: bool) -> Iterator[Source]:
        last = 0
        while rows := self._connection.execute(
            "SELECT * FROM sources WHERE seq > ? AND is_corpus = ? ORDER BY seq LIMIT ?",
            (last, corpora, _AT_ONCE),
        ).fetchall():
            for _, path, size, mtime_ns, inode, is_corpus in rows:
                yield Source(Path(path), size, mtime_ns, int(inode), bool(is_corpus))
            last = rows[-1][0]

    def close(self) -> None:
        """Remove it."""
        self._connection.close()
