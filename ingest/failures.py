"""Files that could not be read, and why, so that they are not read again for nothing.

A record belongs to the file's content, its name (a suffix says how it is read), the program that
read it and its limits; it belongs to no generation. What may pass by itself (permissions, a full
disk, a missing library) is never recorded. Where only higher limits can help, as with a hang or a
crash, other changes of the limits don't count.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.files import is_gone
from ingest.schema import transaction
from ingest.types import Failure, Withheld

if TYPE_CHECKING:
    from ingest.load import Limits

VERSION = 2
"""To be raised with every change of a reader that may read what was not readable before."""

_DISTRIBUTION = "surefoot"
_KEY = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w.-]+")
_COUNT = "SELECT count(*) FROM sqlite_master WHERE name = 'failures'"
_TABLE = "CREATE TEMP TABLE failed_now (path TEXT PRIMARY KEY) WITHOUT ROWID"
# What a reader says of the bytes, and of what they did to it.
_LASTING = re.compile(
    r"(corrupt|crashed|empty|encrypted|groups|no text layer|timeout|too large|unknown encoding"
    r"|unsupported)\b"
)
# The machine's state, and signals that somebody sent to the whole program.
_PASSING = re.compile(
    r"(corrupt|crashed): (\w*OSError|\w*ImportError|ModuleNotFoundError|FileNotFoundError"
    r"|FileExistsError|PermissionError|BlockingIOError|Connection\w*Error|BrokenPipeError"
    r"|InterruptedError|TimeoutError|NotADirectoryError|IsADirectoryError)"
    r"|crashed: .* ended with -(1|2|15)$"
)
_COPIES = 8
_HEAVY = re.compile(r"crashed|timeout|too large: reading it needs more memory")


@dataclass(frozen=True, slots=True)
class FailedFile:
    """Why the file at `path` with the content `key` could not be read, by what, in which limits.

    `limits` is JSON. No reason: some of the documents in it failed, and its notes say which.
    `heavy`: only higher limits can help.
    """

    path: str
    key: str
    version: str
    limits: str
    reason: str
    withheld: bool
    heavy: bool


def save(connection: sqlite3.Connection, found: FailedFile) -> None:
    """Keep a record in place of the last one of its path; inside a transaction."""
    # REPLACE alone would not set off the trigger that sweeps the notes of the last content.
    connection.execute("DELETE FROM failures WHERE path = ? AND key <> ?", (found.path, found.key))
    connection.execute(
        "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(found)
    )


def drop(connection: sqlite3.Connection, path: str) -> None:
    """Drop the record of a path; inside a transaction."""
    connection.execute("DELETE FROM failures WHERE path = ?", (path,))


def known(connection: sqlite3.Connection) -> bool:
    """Whether the base was written since failures are kept."""
    return bool(connection.execute(_COUNT).fetchone()[0])


def recorded(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the file at this path is known to have failed."""
    wanted = "SELECT 1 FROM failures WHERE path = ?"
    return known(connection) and connection.execute(wanted, (path,)).fetchone() is not None


def damaged(connection: sqlite3.Connection) -> list[str]:
    """Paths whose records are not what `save` writes. To drop them is to mend them."""
    rows = connection.execute("SELECT * FROM failures") if known(connection) else ()
    return [row[0] for row in rows if not _is_whole(FailedFile(*row))]


def _is_whole(record: FailedFile) -> bool:
    try:
        limits = json.loads(record.limits)
    except ValueError:
        return False
    return isinstance(limits, dict) and _KEY.fullmatch(record.key) is not None


class KnownFailures:
    """The records as one job sees and makes them. Without `writes` it makes none.

    With `retry` none counts: every file that failed is read again.
    """

    def __init__(
        self, connection: sqlite3.Connection, limits: Limits, *, writes: bool, retry: bool = False
    ) -> None:
        self._connection = connection
        self._limits = json.dumps(asdict(limits), sort_keys=True)
        self._writes = writes
        self._retry = retry
        connection.execute(_TABLE)
        # A dry run may be on a base of an older program.
        self._known = known(connection)

    def find(self, path: str, key: str) -> Failure | None:
        """Why a file of this content need not be read; None where it must be."""
        record = self._standing(path, key, whole=True)
        if record is None:
            return None
        if record.path != path:
            self._save(replace(record, path=path))
        kind = Withheld if record.withheld else Failure
        return kind(path, record.reason)

    def holds(self, path: str, key: str) -> bool:
        """Whether the documents in this file that failed would fail again."""
        record = self._standing(path, key, whole=False)
        if record is not None and record.path != path:
            self._save(replace(record, path=path))
        return record is not None

    def remember(self, key: str, failure: Failure) -> None:
        """Keep why a file with this content could not be read, if that is worth keeping."""
        record = self._record(failure.path, key, [failure.reason])
        if record is not None:
            withheld = isinstance(failure, Withheld)
            self._save(replace(record, reason=failure.reason, withheld=withheld))

    def inside(self, path: str, key: str, reasons: Sequence[str]) -> FailedFile | None:
        """The record of a file of which documents failed; None where none did, or may pass."""
        record = self._record(path, key, reasons)
        if record is not None:
            self._see(path)
        return record

    def sweep(self) -> None:
        """Drop the records of files that were read after all, or are gone. At a job's end."""
        if not self._writes:
            return
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM failures WHERE path IN (SELECT path FROM met)"
                " AND path NOT IN (SELECT path FROM failed_now)"
            )
            rows = self._connection.execute(
                "SELECT path FROM failures WHERE path NOT IN (SELECT path FROM failed_now)"
            )
            for path in [path for (path,) in rows if is_gone(Path(path))]:
                drop(self._connection, path)

    def _standing(self, path: str, key: str, *, whole: bool) -> FailedFile | None:
        if self._retry or not self._known:
            return None
        rows = self._connection.execute(
            "SELECT * FROM failures WHERE key = ? AND (reason <> '') = ?"
            " ORDER BY path <> ? LIMIT ?",
            (key, whole, path, _COPIES),
        ).fetchall()
        for record in (FailedFile(*row) for row in rows):
            named = Path(record.path).name == Path(path).name
            if named and _is_whole(record) and self._stands(record):
                self._see(path)
                return record
        return None

    def _stands(self, record: FailedFile) -> bool:
        if record.version != readers_version():
            return False
        if record.limits == self._limits or not record.heavy:
            return record.limits == self._limits
        return not raised(json.loads(record.limits), json.loads(self._limits))

    def _record(self, path: str, key: str, reasons: Sequence[str]) -> FailedFile | None:
        if not reasons or not all(map(lasts, reasons)):
            return None
        heavy = all(map(_HEAVY.match, reasons))
        return FailedFile(path, key, readers_version(), self._limits, "", False, heavy)

    def _save(self, record: FailedFile) -> None:
        self._see(record.path)
        if self._writes:
            # At once: what took a minute to fail is not to be read again after a kill.
            with transaction(self._connection):
                save(self._connection, record)

    def _see(self, path: str) -> None:
        self._connection.execute("INSERT OR IGNORE INTO failed_now VALUES (?)", (path,))


def lasts(reason: str) -> bool:
    """Whether reading the same bytes again would most likely end in the same way."""
    return _LASTING.match(reason) is not None and _PASSING.match(reason) is None


def raised(before: Mapping[str, object], now: Mapping[str, object]) -> bool:
    """Whether any limit is higher than it was, or an option that is no number is another."""
    if before.keys() != now.keys():
        return True
    return any(_more(before[name], now[name]) for name in now)


def _more(before: object, now: object) -> bool:
    if isinstance(now, bool) or isinstance(before, bool):
        return before != now
    if isinstance(now, int | float) and isinstance(before, int | float):
        return now > before
    return before != now


@cache
def readers_version() -> str:
    """A hash of the program's version and of those of all that it needs, as installed."""
    found = [str(VERSION), *_versions()]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def _versions() -> Iterator[str]:
    with suppress(PackageNotFoundError):
        yield version(_DISTRIBUTION)
        for requirement in sorted(requires(_DISTRIBUTION) or ()):
            name = _NAME.match(requirement)
            with suppress(PackageNotFoundError):
                if name is not None:
                    yield f"{name.group()} {version(name.group())}"
