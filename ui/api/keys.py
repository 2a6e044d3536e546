"""Who may call the API: keys with scopes, groups and limits. Secrets are kept as hashes alone.

A secret is `sf_ID_` and 32 random bytes in base64url. The id is not secret and may be logged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from rag.errors import SurefootError
from rag.private_file import PrivateFile

SCOPES = ("ask", "search", "read", "write", "feedback", "metrics")
FOLDER = "service"
FORMAT = 1
TABLES = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, groups TEXT NOT NULL,
    rate_per_minute INTEGER NOT NULL, tokens_per_day INTEGER NOT NULL,
    created TEXT NOT NULL, expires TEXT, revoked INTEGER NOT NULL DEFAULT 0, used TEXT
) STRICT;
CREATE TABLE secrets (
    key TEXT NOT NULL REFERENCES keys (id), hash BLOB NOT NULL, until REAL
) STRICT;
CREATE INDEX secrets_by_key ON secrets (key);
"""
LOG = logging.getLogger("surefoot.keys")
_SECRET = re.compile(r"sf_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_LONGEST_NAME = 100


class KeyStoreError(SurefootError):
    """A key that can't be made, found or read."""


@dataclass(frozen=True, slots=True)
class Key:
    """What the holder of a secret may do: `scopes`, on documents of `groups` or of none.

    `rate_per_minute` bounds requests, `tokens_per_day` the model's tokens by the UTC day. `expires`
    is the last UTC day on which it works (None: no end), `used` the last on which it did.
    """

    id: str
    name: str
    scopes: frozenset[str]
    groups: frozenset[str]
    rate_per_minute: int
    tokens_per_day: int
    created: str
    expires: str | None = None
    revoked: bool = False
    used: str | None = None

    def live(self, day: str) -> bool:
        """Whether it works on this UTC day, as YYYY-MM-DD."""
        return not self.revoked and (self.expires is None or day <= self.expires)


class KeyStore:
    """The keys of one service, in a private file. Each look-up reads it: changes count at once.

    Only SHA-256 hashes of secrets are kept. A slow hash guards what people choose; 256 random bits
    can't be guessed however fast the hash is, and a slow one would delay every request.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._file = PrivateFile(path, FORMAT, TABLES, KeyStoreError)
        self._now = now

    @classmethod
    def beside(cls, kb: Path) -> KeyStore:
        """The keys of the service of this knowledge base."""
        return cls(kb / FOLDER / "keys.db")

    def find(self, secret: str) -> Key | None:
        """The key of a secret; None if it is unknown, expired, revoked or not a secret at all.

        Raises KeyStoreError if the file can't be read.
        """
        match = _SECRET.fullmatch(secret)
        if match is None or not self._file.exists():
            return None
        with self._file.opened() as connection:
            hashes = self._hashes(connection, match[1])
            # Every hash is compared, whatever the first says: time tells nothing of them.
            same = [hmac.compare_digest(_hashed(secret), each) for each in hashes]
            if not any(same):
                return None
            key = _found(connection, match[1])
        if key is None or not key.live(self._today()):
            return None
        self._note_use(key)
        return key

    def all(self) -> tuple[Key, ...]:
        """Every key, also those that no longer work, the oldest first."""
        if not self._file.exists():
            return ()
        with self._file.opened() as connection:
            return tuple(map(_key, connection.execute("SELECT * FROM keys ORDER BY rowid")))

    def add(
        self,
        name: str,
        scopes: Iterable[str],
        groups: Iterable[str],
        rate_per_minute: int,
        tokens_per_day: int,
        expires: str | None = None,
    ) -> tuple[Key, str]:
        """A new key and its secret, which is told this once. Raises KeyStoreError."""
        key = Key(
            id=secrets.token_hex(6),
            name=name.strip(),
            scopes=frozenset(scopes),
            groups=frozenset(groups),
            rate_per_minute=rate_per_minute,
            tokens_per_day=tokens_per_day,
            created=datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            expires=expires,
        )
        _check(key, self._today())
        self._make_folder()
        with self._file.writing() as connection:
            if any(each.name == key.name for each in _unrevoked(connection)):
                raise KeyStoreError(f"there is a key named {key.name} already")
            _insert(connection, key)
            return key, _issue(connection, key.id)

    def rotate(self, name: str, grace_s: float = 0.0) -> tuple[Key, str]:
        """A new secret for the key of this id or name; older ones work for `grace_s` seconds more.

        Raises KeyStoreError for a key that is unknown or revoked.
        """
        if grace_s < 0:
            raise KeyStoreError("the time of grace must not be negative")
        with self._changing() as connection:
            key, until = _named(connection, name), self._now() + grace_s
            connection.execute("DELETE FROM secrets WHERE key = ? AND ? = 0", (key.id, grace_s))
            connection.execute(
                "UPDATE secrets SET until = min(coalesce(until, ?1), ?1) WHERE key = ?2",
                (until, key.id),
            )
            return key, _issue(connection, key.id)

    def revoke(self, name: str) -> Key:
        """End the key of this id or name for good; its hashes are deleted. Raises KeyStoreError."""
        with self._changing() as connection:
            key = _named(connection, name)
            connection.execute("DELETE FROM secrets WHERE key = ?", (key.id,))
            connection.execute("UPDATE keys SET revoked = 1 WHERE id = ?", (key.id,))
            ended = _found(connection, key.id)
        assert ended is not None
        return ended

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        if not self._file.exists():
            raise KeyStoreError("there are no keys yet")
        with self._file.writing() as connection:
            yield connection

    def _hashes(self, connection: sqlite3.Connection, id: str) -> list[bytes]:
        statement = "SELECT hash FROM secrets WHERE key = ? AND (until IS NULL OR until > ?)"
        return [row["hash"] for row in connection.execute(statement, (id, self._now()))]

    def _note_use(self, key: Key) -> None:
        """Keep the day of use, once a day. A full disk costs this, with a warning, no answer."""
        if key.used == (today := self._today()):
            return
        try:
            with self._file.writing() as connection:
                connection.execute("UPDATE keys SET used = ? WHERE id = ?", (today, key.id))
        except KeyStoreError as error:
            LOG.warning("when key %s was used is not kept: %s", key.id, error)

    def _today(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).date().isoformat()

    def _make_folder(self) -> None:
        folder = self._file.path.parent
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise KeyStoreError(f"{folder} cannot be made: {error.strerror}") from error


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _issue(connection: sqlite3.Connection, id: str) -> str:
    secret = f"sf_{id}_{secrets.token_urlsafe(32)}"
    connection.execute("INSERT INTO secrets (key, hash) VALUES (?, ?)", (id, _hashed(secret)))
    return secret


def _insert(connection: sqlite3.Connection, key: Key) -> None:
    values = {
        **asdict(key),
        "scopes": json.dumps(sorted(key.scopes)),
        "groups": json.dumps(sorted(key.groups)),
    }
    connection.execute(
        "INSERT INTO keys VALUES (:id, :name, :scopes, :groups, :rate_per_minute,"
        " :tokens_per_day, :created, :expires, :revoked, :used)",
        values,
    )


def _key(row: sqlite3.Row) -> Key:
    values = dict(row)
    for field in ("scopes", "groups"):
        values[field] = frozenset(json.loads(values[field]))
    return Key(**{**values, "revoked": bool(values["revoked"])})


def _found(connection: sqlite3.Connection, id: str) -> Key | None:
    row = connection.execute("SELECT * FROM keys WHERE id = ?", (id,)).fetchone()
    return _key(row) if row else None


def _unrevoked(connection: sqlite3.Connection) -> list[Key]:
    return [_key(row) for row in connection.execute("SELECT * FROM keys WHERE NOT revoked")]


def _named(connection: sqlite3.Connection, name: str) -> Key:
    """The key of this id or name. Raises KeyStoreError without telling what was typed.

    Someone may have typed a secret, and errors end up in logs.
    """
    for key in _unrevoked(connection):
        if name in (key.id, key.name):
            return key
    raise KeyStoreError("no key that works has this id or name; see: surefoot keys list")


def _check(key: Key, today: str) -> None:
    problems = (
        (
            not 0 < len(key.name) <= _LONGEST_NAME,
            f"its name must have 1 to {_LONGEST_NAME} characters",
        ),
        (not key.name.isprintable(), "its name must be printable"),
        (not key.scopes, "it needs a scope"),
        (not key.scopes <= set(SCOPES), f"scopes are {', '.join(SCOPES)}"),
        (not all(key.groups), "a group must have a name"),
        (key.rate_per_minute < 1, "its rate must be at least 1 a minute"),
        (key.tokens_per_day < 1, "its tokens must be at least 1 a day"),
        (key.expires is not None and not _is_day(key.expires), "it must expire on a YYYY-MM-DD"),
        (key.expires is not None and key.expires < today, "it has expired already"),
    )
    for wrong, problem in problems:
        if wrong:
            raise KeyStoreError(f"no key was made: {problem}")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
