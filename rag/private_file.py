"""One private SQLite file that many threads and processes share. WAL; a connection an operation.

Readable by its owner alone from the first moment; what is deleted is overwritten.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

BUSY_SECONDS = 30.0


class PrivateFile:
    """A database of one format. `error` makes what is raised of one line, for all that goes wrong.

    `tables` are the statements that make a new one; `version` is kept as its user_version.
    `upgrades` has, by the version of a file, those that bring it to the next one.
    """

    def __init__(
        self,
        path: Path,
        version: int,
        tables: str,
        error: Callable[[str], Exception],
        upgrades: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        self.path = path
        self._version = version
        self._tables = tables
        self._error = error
        self._upgrades = upgrades or {}

    def exists(self) -> bool:
        return self.path.exists()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection to a file that is there."""
        try:
            with closing(self._connect(self.path)) as connection:
                found = _version(connection)
                if found in self._upgrades:
                    found = self._upgrade(connection)
                if found != self._version:
                    needed = f"this program needs {self._version}"
                    raise self._error(f"{self.path} has format {found}, {needed}")
                yield connection
        except sqlite3.Error as error:
            raise self._error(f"{self.path}: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of the body's writes or none; the file is made if there is none yet."""
        if not self.exists():
            self._make()
        with self.opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def empty_log(self) -> None:
        """Take what was deleted out of the write-ahead log too, waiting for readers."""
        with self.opened() as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            problem = "a reader keeps old pages; run again when it has finished"
            raise self._error(f"{self.path}: {problem}")

    def _connect(self, path: Path) -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _upgrade(self, connection: sqlite3.Connection) -> int:
        """All of it or nothing, whoever else begins it too. Returns the version it has then."""
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        try:
            while (found := _version(connection)) in self._upgrades:
                for statement in self._upgrades[found]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {found + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("PRAGMA foreign_keys = ON")
        return found

    def _make(self) -> None:
        """Make it aside and link it into place: it is whole and private before anyone sees it."""
        aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(self._connect(aside)) as connection:
                connection.executescript(f"PRAGMA user_version = {self._version};{self._tables}")
                connection.execute("PRAGMA journal_mode = WAL")
            os.link(aside, self.path)
        except FileExistsError:
            return  # another process was quicker; its file is as good
        except (OSError, sqlite3.Error) as error:
            raise self._error(f"{self.path} cannot be made: {error}") from error
        finally:
            aside.unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
