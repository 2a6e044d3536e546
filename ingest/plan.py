"""What a job has met, and what that means against what the base holds. Writes temp tables only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ingest import notes

_TABLES = """
CREATE TEMP TABLE met (
  seq INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
  key TEXT NOT NULL, origin TEXT NOT NULL, outcome TEXT NOT NULL, was TEXT);
CREATE INDEX temp.met_key ON met (key);
CREATE TEMP TABLE gone (
  identity TEXT PRIMARY KEY, path TEXT NOT NULL, moved INTEGER NOT NULL) WITHOUT ROWID;
"""
_LIVE = "paths.gen_added <= :g AND (paths.gen_removed IS NULL OR paths.gen_removed > :g)"


class Outcome(StrEnum):
    """What a job does to a document. Moved: the content has another path, the old one is gone."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    MOVED = "moved"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One document that a job changes, or would. `was` is the id that a moved one had before."""

    outcome: Outcome
    document: str
    path: str
    was: str | None = None


class Found(StrEnum):
    """What is known of the content that an identity now has."""

    MET = "met"  # this identity was met before in this job
    UNCHANGED = "unchanged"  # the identity has this very content
    STORED = "stored"  # another identity has it
    PENDING = "pending"  # a job that did not finish has written it
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Decision:
    """`known` says whether the base holds the identity, with whatever content.

    `origin` is where the identity was met before, `same` whether with the same content.
    """

    found: Found
    known: bool
    origin: str = ""
    same: bool = False


class Plan:
    """Identities and the content keys they shall have, kept in temp tables of the connection.

    The connection must show the committed generation's rows as those without `gen_removed` and
    with `gen_added <= generation`, as `Writer.begin` leaves them.
    """

    def __init__(self, connection: sqlite3.Connection, generation: int) -> None:
        self._connection = connection
        self._generation = generation
        connection.executescript(_TABLES)

    def decide(self, identity: str, key: str) -> Decision:
        """What to do with an identity that now has this content."""
        before = self._one("SELECT key, origin FROM met WHERE identity = ?", identity)
        if before is not None:
            return Decision(Found.MET, True, str(before[1]), before[0] == key)
        live = self._one(
            "SELECT contents.key FROM paths JOIN contents ON contents.row = paths.content"
            " WHERE identity = ? AND paths.gen_added <= ?"
            " AND (paths.gen_removed IS NULL OR paths.gen_removed > ?)",
            identity,
            self._generation,
            self._generation,
        )
        if live is not None and live[0] == key:
            return Decision(Found.UNCHANGED, True)
        return Decision(self._content(key), live is not None)

    def _content(self, key: str) -> Found:
        if self._one("SELECT 1 FROM met WHERE key = ?", key) is not None:
            return Found.STORED
        row = self._one(
            "SELECT min(gen_added) FROM contents WHERE key = ?"
            " AND (gen_removed IS NULL OR gen_removed > ?)",
            key,
            self._generation,
        )
        if row is None or row[0] is None:
            return Found.NEW
        return Found.STORED if row[0] <= self._generation else Found.PENDING

    def meet(self, identity: str, path: str, key: str, origin: str, outcome: Outcome) -> None:
        """Record that an identity shall have this content, and what that is called."""
        self._connection.execute(
            "INSERT INTO met (identity, path, key, origin, outcome) VALUES (?, ?, ?, ?, ?)",
            (identity, path, key, origin, outcome.value),
        )

    def drop(self, identity: str) -> Outcome:
        """Record that an identity shall be gone. Moved, if a copy met in this job succeeds it."""
        values = {"identity": identity, "g": self._generation}
        heir = self._connection.execute(
            "SELECT met.seq FROM paths JOIN contents ON contents.row = paths.content"
            " JOIN met ON met.key = contents.key AND met.outcome = 'duplicate'"
            f" WHERE paths.identity = :identity AND {_LIVE} ORDER BY met.seq LIMIT 1",
            values,
        ).fetchone()
        if heir is not None:
            self._connection.execute(
                "UPDATE met SET outcome = 'moved', was = ? WHERE seq = ?", (identity, heir[0])
            )
        self._connection.execute(
            "INSERT OR IGNORE INTO gone SELECT identity, path, :moved FROM paths"
            f" WHERE identity = :identity AND {_LIVE}",
            values | {"moved": heir is not None},
        )
        return Outcome.REMOVED if heir is None else Outcome.MOVED

    def changes(self) -> Iterator[Change]:
        """All that is not unchanged: what was met in its order, then what is gone."""
        rows = self._connection.execute(
            "SELECT outcome, identity, path, was FROM met WHERE outcome <> 'unchanged'"
            " UNION ALL SELECT 'removed', identity, path, NULL FROM gone WHERE NOT moved"
        )
        for outcome, identity, path, was in rows:
            yield Change(Outcome(outcome), identity, path, was)

    def unmet(self) -> Iterator[tuple[str, str]]:
        """(identity, path) of what the base holds and this job has not met."""
        rows = self._connection.execute(
            "SELECT identity, path FROM paths WHERE gen_added <= ?"
            " AND (gen_removed IS NULL OR gen_removed > ?)"
            " AND identity NOT IN (SELECT identity FROM met) ORDER BY row",
            (self._generation, self._generation),
        ).fetchall()
        yield from rows

    def known_hash(self, path: str, size: int, mtime_ns: int, inode: int) -> str | None:
        """The hash of a file whose status is as it was when it was hashed."""
        row = self._one(
            "SELECT sha256 FROM file_hashes WHERE path=? AND size=? AND mtime_ns=? AND inode=?",
            path,
            size,
            mtime_ns,
            inode,
        )
        return str(row[0]) if row is not None else None

    def notes(self, container: str) -> list[notes.Note]:
        """What a file of many documents with this key was found to hold."""
        return notes.find(self._connection, container)

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        return row
