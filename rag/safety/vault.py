"""The vault: what pseudonyms stand for, encrypted, in one private file beside the conversations.

Values are sealed with AES-256-GCM, bound to their conversation, label and number: a row that is
moved does not open. That two values are one is told by a keyed hash, so the file says nothing to
who has no key but how many names of which label each conversation has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.private_file import PrivateFile
from rag.safety.pseudonyms import Session, normal
from rag.safety.vault_key import KEY_VARIABLE, VaultError, VaultKey

if TYPE_CHECKING:
    from ingest.quotes import Trail

FORMAT = 1
FILE = "vault.db"
# A number whose row is gone is never given again, hence the counts apart.
TABLES = """
CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) STRICT;
CREATE TABLE counts (
  session TEXT NOT NULL, label TEXT NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (session, label)) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  session TEXT NOT NULL, label TEXT NOT NULL, number INTEGER NOT NULL,
  told BLOB NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (session, label, number), UNIQUE (session, label, told)) STRICT, WITHOUT ROWID;
"""
_SEAL = b"seal"
WRONG = f"{KEY_VARIABLE} is not the key that it was sealed with"


@dataclass(frozen=True, slots=True)
class Held:
    """How many values of a label the vault holds for a conversation."""

    session: str
    label: str
    values: int


@dataclass(frozen=True, slots=True)
class Revealed:
    """One pseudonym with what it stands for."""

    session: str
    mark: str
    value: str


class Vault:
    """The names of all conversations over one knowledge base. Raises VaultError.

    Safe to share by threads and processes: numbers are given within one transaction.
    """

    name = "names in the vault"

    def __init__(self, path: Path, key: VaultKey) -> None:
        self.path = path
        self._key = key
        self._file = _file(path)
        if self._file.exists():
            with self._file.opened() as db:
                _proved(db, key)

    def of(self, conversation: str) -> Session:
        """The names of a conversation, which are kept as they are given."""
        return Session(_Rows(self, conversation), conversation)

    def reveal(self, session: str = "") -> list[Revealed]:
        """What is in it, of one conversation or of all."""
        if not self._file.exists():
            return []
        with self._reading() as db:
            rows = _rows(db, session)
            return [_revealed(self._key, row) for row in rows]

    def rotate(self, key: VaultKey) -> int:
        """Seal everything with another key, all or nothing; how many values that were."""
        with self._writing() as db:
            rows = _rows(db, "")
            for row in rows:
                value = _opened(self._key, row)
                place = (row["session"], row["label"], row["number"])
                db.execute(
                    "UPDATE names SET told = ?, sealed = ?"
                    " WHERE session = ? AND label = ? AND number = ?",
                    (
                        _told(key, *place[:2], normal(place[1], value)),
                        key.seal(value, _bound(*place)),
                        *place,
                    ),
                )
            _prove(db, key)
        self._file.empty_log()
        self._key = key
        return len(rows)

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Remove the values that stand in forgotten documents, wherever else they stand too."""
        if not self._file.exists():
            return 0
        with self._reading() if dry_run else self._writing() as db:
            gone = [row for row in _rows(db, "") if trail.says(_opened(self._key, row))]
            for row in gone if not dry_run else ():
                place = (row["session"], row["label"], row["number"])
                query = "DELETE FROM names WHERE session = ? AND label = ? AND number = ?"
                db.execute(query, place)
        if not dry_run:
            self._file.empty_log()
        return len(gone)

    def number(self, session: str, label: str, normal_form: str, raw: str) -> int:
        """The number of a value, a new one if it has none."""
        told = _told(self._key, session, label, normal_form)
        query = "SELECT number FROM names WHERE session = ? AND label = ? AND told = ?"
        if self._file.exists():
            with self._reading() as db:
                found = db.execute(query, (session, label, told)).fetchone()
            if found is not None:
                return int(found["number"])
        with self._writing() as db:
            # Another writer may have been quicker.
            found = db.execute(query, (session, label, told)).fetchone()
            if found is not None:
                return int(found["number"])
            number = _next(db, session, label)
            sealed = self._key.seal(raw, _bound(session, label, number))
            db.execute(
                "INSERT INTO names VALUES (?, ?, ?, ?, ?)", (session, label, number, told, sealed)
            )
            return number

    def value(self, session: str, label: str, number: int) -> str | None:
        """What a pseudonym stands for, if it is still known."""
        if not self._file.exists():
            return None
        query = "SELECT * FROM names WHERE session = ? AND label = ? AND number = ?"
        with self._reading() as db:
            row = db.execute(query, (session, label, number)).fetchone()
        return None if row is None else _opened(self._key, row)

    def hold(self, session: str, label: str, number: int) -> None:
        """Numbers up to this one are given to nobody any more."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET last = max(last, excluded.last)",
                (session, label, number),
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._file.opened() as db:
            _proved(db, self._key)
            yield db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, in a file that is sealed with this very key."""
        with self._file.writing() as db:
            if db.execute("SELECT 1 FROM seal").fetchone() is None:
                _prove(db, self._key)
            _proved(db, self._key)
            yield db


class _Rows:
    """The rows of one conversation, as a session's ledger."""

    def __init__(self, vault: Vault, session: str) -> None:
        self._vault = vault
        self._session = session
        self._given: dict[tuple[str, str], int] = {}

    def number(self, label: str, normal: str, raw: str) -> int:
        if (label, normal) not in self._given:
            found = self._vault.number(self._session, label, normal, raw)
            self._given[label, normal] = found
        return self._given[label, normal]

    def value(self, label: str, number: int) -> str | None:
        return self._vault.value(self._session, label, number)

    def hold(self, label: str, number: int) -> None:
        self._vault.hold(self._session, label, number)


def beside(kb: Path) -> Path:
    """Where the vault of a knowledge base lies."""
    return kb / FILE


def held(path: Path) -> list[Held]:
    """How much there is in a vault, by conversation and label. Needs no key."""
    file = _file(path)
    if not file.exists():
        return []
    query = "SELECT session, label, count(*) AS n FROM names GROUP BY session, label"
    with file.opened() as db:
        return [Held(row["session"], row["label"], row["n"]) for row in db.execute(query)]


def drop(path: Path, sessions: Collection[str], ended: bool = True) -> int:
    """Remove the values of these conversations; how many those were. Needs no key.

    Of one that goes on, the numbers stay given: nobody else may be called by them.
    """
    file = _file(path)
    if not file.exists() or not sessions:
        return 0
    gone = 0
    with file.writing() as db:
        for session in sessions:
            gone += db.execute("DELETE FROM names WHERE session = ?", (session,)).rowcount
            if ended:
                db.execute("DELETE FROM counts WHERE session = ?", (session,))
    file.empty_log()
    return gone


def _file(path: Path) -> PrivateFile:
    return PrivateFile(path, FORMAT, TABLES, VaultError)


def _rows(db: sqlite3.Connection, session: str) -> list[sqlite3.Row]:
    query = "SELECT * FROM names WHERE ? IN ('', session) ORDER BY session, label, number"
    return db.execute(query, (session,)).fetchall()


def _next(db: sqlite3.Connection, session: str, label: str) -> int:
    row = db.execute(
        "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET last = last + 1"
        " RETURNING last",
        (session, label),
    ).fetchone()
    return int(row["last"])


def _revealed(key: VaultKey, row: sqlite3.Row) -> Revealed:
    return Revealed(row["session"], f"<{row['label']}_{row['number']}>", _opened(key, row))


def _told(key: VaultKey, session: str, label: str, normal_form: str) -> bytes:
    return key.tell("\0".join((session, label, normal_form)))


def _bound(session: str, label: str, number: int) -> bytes:
    return "\0".join((session, label, str(number))).encode()


def _opened(key: VaultKey, row: sqlite3.Row) -> str:
    """The value of a row. Raises VaultError for one that was changed or moved."""
    place = (row["session"], row["label"], row["number"])
    value = key.open(bytes(row["sealed"]), _bound(*place))
    if value is None:
        raise VaultError(f"{place[1]} {place[2]} of {place[0]} is not as it was sealed")
    return value


def _prove(db: sqlite3.Connection, key: VaultKey) -> None:
    """Leave something that only this key opens."""
    db.execute("INSERT OR REPLACE INTO seal VALUES (1, ?)", (key.seal("", _SEAL),))


def _proved(db: sqlite3.Connection, key: VaultKey) -> None:
    """Raises VaultError if the vault is sealed with another key."""
    row = db.execute("SELECT sealed FROM seal").fetchone()
    if row is not None and key.open(bytes(row["sealed"]), _SEAL) is None:
        raise VaultError(WRONG)
