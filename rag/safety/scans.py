"""What filters found in passages, kept on disk beside the base: labels and places, never text.

A row is found by a hash of the filter's version and the passage's text, so a passage is scanned
once however many documents hold it, and a filter that has changed scans anew. Each row bears a
checksum; what fails it, or does not parse, was never found. A damaged file is made anew. What the
policy does with a finding is decided when it is read, not here.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TypeVar

from ingest.errors import KnowledgeBaseError
from rag.types import Finding

NAME = "scans.db"
LOG = logging.getLogger("surefoot.scans")
# A cache whose rows bear checksums may be lost with the power; it need not wait for the disk.
_TABLES = """
PRAGMA secure_delete=ON; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;
CREATE TABLE IF NOT EXISTS scans (key BLOB PRIMARY KEY, text BLOB NOT NULL, found TEXT NOT NULL,
  checksum BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (version TEXT PRIMARY KEY, generation INTEGER NOT NULL)
  WITHOUT ROWID;
"""
# Where a name or a text inside is no UTF-8 any more, that is what is raised.
_DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
# Not the file's own fault: its first byte of the code says so, the rest how.
_ELSEWHERE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
    }
)
_MINE = "surefoot scans 1"
_SIZE = 16
_WAIT_S = 1.0

T = TypeVar("T")
Scanned = tuple[str, Sequence[Finding]]


class Scans:
    """The findings of one knowledge base's passages. Safe to share by threads and processes.

    Where the folder can't be written, nothing is remembered and everything is scanned.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, version: str, text: str) -> tuple[Finding, ...] | None:
        """What a filter of this version found in a passage; None if it has not read it yet."""
        key = _key(version, text)
        rows = self._try(
            lambda c: c.execute("SELECT found, checksum FROM scans WHERE key=?", (key,)).fetchall()
        )
        return _read(key, rows[0], len(text)) if rows else None

    def put(self, version: str, scanned: Iterable[Scanned]) -> None:
        """Keep what was found in each of some texts, in one step."""
        rows = []
        for text, found in scanned:
            key, said = _key(version, text), _written(found)
            rows.append((key, text_key(text), said, _checksum(key, said)))
        self._try(lambda c: _write(c, "INSERT OR REPLACE INTO scans VALUES (?,?,?,?)", rows))

    def is_done(self, version: str, generation: int) -> bool:
        """Whether a filter of this version has read all of a generation."""
        query = "SELECT 1 FROM done WHERE version=? AND generation=?"
        return bool(self._try(lambda c: c.execute(query, (version, generation)).fetchall()))

    def done(self, version: str, generation: int) -> None:
        """Say so."""
        row = (version, generation)
        self._try(lambda c: _write(c, "INSERT OR REPLACE INTO done VALUES (?,?)", [row]))

    def keep_only(self, texts: Iterable[str]) -> int:
        """Forget all but these texts, durably; how many rows went.

        Raises KnowledgeBaseError where that can't be done. A damaged file goes whole.
        """
        if not self._path.exists():
            return 0
        with self._lock:
            try:
                return _swept(self._open(), map(text_key, texts))
            except _DAMAGED as error:
                if _is_elsewhere(error):
                    raise KnowledgeBaseError(self._directory, f"{NAME}: {error}") from error
                self._renew(error)
                return 0

    def close(self) -> None:
        with self._lock:
            self._close()

    def _try(self, job: Callable[[sqlite3.Connection], T]) -> T | None:
        """The job's result; None where the file is damaged, busy or can't be written."""
        with self._lock:
            try:
                return job(self._open())
            except _DAMAGED as error:
                if _is_elsewhere(error):
                    self._close()
                    LOG.info("scans of passages are not kept: %s", error)
                else:
                    self._renew(error)
            return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # No log beside it: what is deleted is overwritten at once, in one file.
            new = not self._path.exists()
            found = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
            self._connection = found
            found.executescript(_TABLES)
            if new:
                self._path.chmod(0o600)
        return self._connection

    def _renew(self, error: Exception) -> None:
        self._close()
        LOG.warning("%s is damaged and made anew: %s", self._path, error)
        try:
            for name in (NAME, f"{NAME}-journal"):
                self._path.with_name(name).unlink(missing_ok=True)
        except OSError as problem:
            LOG.warning("%s can't be removed: %s", self._path, problem.strerror)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_elsewhere(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _ELSEWHERE


def text_key(text: str) -> bytes:
    """What a passage is known by, whatever filter reads it."""
    return blake2b(_bytes(text), digest_size=_SIZE, person=b"passage").digest()


def _key(version: str, text: str) -> bytes:
    return blake2b(f"{_MINE}\0{version}\0".encode() + _bytes(text), digest_size=_SIZE).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _checksum(key: bytes, found: str) -> bytes:
    return blake2b(key + found.encode(), digest_size=_SIZE).digest()


def _written(found: Sequence[Finding]) -> str:
    return json.dumps([[f.label, f.start, f.end, f.score, f.source] for f in found])


def _read(key: bytes, row: tuple[object, object], length: int) -> tuple[Finding, ...] | None:
    found, checksum = row
    if not isinstance(found, str) or _checksum(key, found) != checksum:
        return None
    findings = tuple(Finding("passage", *row) for row in json.loads(found))
    inside = all(0 <= finding.start < finding.end <= length for finding in findings)
    return findings if inside else None


def _write(
    connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]
) -> None:
    with connection:
        connection.executemany(statement, rows)


def _swept(connection: sqlite3.Connection, kept: Iterable[bytes]) -> int:
    connection.execute("PRAGMA synchronous=FULL")
    with connection:
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS kept (text BLOB PRIMARY KEY)")
        connection.execute("DELETE FROM kept")
        connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((key,) for key in kept))
        gone = connection.execute("DELETE FROM scans WHERE text NOT IN (SELECT text FROM kept)")
    if gone.rowcount:
        connection.execute("VACUUM")
    connection.execute("PRAGMA synchronous=OFF")
    return gone.rowcount
