"""What a file of many documents was found to hold, so that it is not read again unchanged.

A note belongs to the file's content and the way of reading it, to no path and no generation:
whether the base still has what a note names is asked anew each time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

_COUNT = "SELECT count(*) FROM sqlite_master WHERE name = 'notes'"


@dataclass(frozen=True, slots=True)
class Note:
    """A document in a file: the end of its identity and its content's key, or why it has none."""

    name: str
    key: str | None = None
    reason: str = ""
    withheld: bool = False


def save(connection: sqlite3.Connection, container: str, notes: Sequence[Note]) -> None:
    """Keep the notes of a whole file under its key; inside a transaction."""
    connection.execute("DELETE FROM notes WHERE container = ?", (container,))
    connection.executemany(
        "INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)",
        [
            (container, number, note.name, note.key, note.reason, note.withheld)
            for number, note in enumerate(notes)
        ],
    )


def find(connection: sqlite3.Connection, container: str) -> list[Note]:
    """The notes of a file in order; none where it holds one document or was never read whole."""
    if not connection.execute(_COUNT).fetchone()[0]:
        # A dry run on a base of an older program.
        return []
    rows = connection.execute(
        "SELECT name, key, reason, withheld FROM notes WHERE container = ? ORDER BY seq",
        (container,),
    )
    return [Note(name, key, reason, bool(withheld)) for name, key, reason, withheld in rows]


def sweep(connection: sqlite3.Connection) -> None:
    """Drop the notes of files of which the base lacks a document; inside a transaction.

    They would be read again anyway, and names of what was forgotten must not stay behind.
    """
    connection.execute(
        "DELETE FROM notes WHERE container IN (SELECT container FROM notes"
        " WHERE key IS NOT NULL AND key NOT IN (SELECT key FROM contents))"
    )
