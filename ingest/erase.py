"""The rows of forgotten documents: finding all of them, hiding them at once, then erasing them.

A document is its text: whoever forgets it means every path and id that it has, copies with other
groups too, and its earlier versions unless another document still holds them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest import near, notes, segments
from ingest.errors import KnowledgeBaseError
from ingest.manifest import DATABASE
from ingest.receipt import ForgottenContent
from ingest.schema import live, transaction

_AT_ONCE = 200
_CHANGED = ("contents", "chunks", "paths")

_SCRATCH = """
DROP TABLE IF EXISTS temp.named; DROP TABLE IF EXISTS temp.picked;
CREATE TEMP TABLE named (identity TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE picked (content INTEGER PRIMARY KEY);
"""
_LIVE_NAMES = f"SELECT identity FROM paths WHERE {live('paths')}"
_PICK = (
    # What the names lead to now; where a name has gone, what it led to last.
    f"""INSERT OR IGNORE INTO picked SELECT content FROM paths
         WHERE identity IN named AND ({live("paths")} OR identity NOT IN ({_LIVE_NAMES}))""",
    # The same text under another hash: other groups, another file around it.
    """INSERT OR IGNORE INTO picked SELECT row FROM contents WHERE text_sha256 IN
         (SELECT text_sha256 FROM contents WHERE row IN picked)""",
    f"""INSERT OR IGNORE INTO named SELECT identity FROM paths
         WHERE content IN picked AND ({live("paths")} OR identity NOT IN ({_LIVE_NAMES}))""",
    # Earlier and uncommitted versions that no other document holds.
    f"""INSERT OR IGNORE INTO picked SELECT content FROM paths
         WHERE identity IN named AND content NOT IN
         (SELECT content FROM paths WHERE {live("paths")} AND identity NOT IN named)""",
)
# A file that held other documents too is not a name of these.
_NAMES = """
  SELECT identity FROM named UNION SELECT path FROM paths WHERE identity IN named
  AND path NOT IN (SELECT path FROM paths WHERE identity NOT IN named)
"""


def _answering(table: str) -> str:
    now = live(table)
    return f"({now} OR {now.replace(':g', ':before')})"


_ANSWERING = f"SELECT identity FROM paths WHERE {_answering('paths')} AND identity IN named"
_SIMILAR = f"""
  SELECT identity FROM paths WHERE {live("paths")} AND identity NOT IN named AND content IN
    (SELECT content FROM sketches WHERE family IN
      (SELECT family FROM sketches WHERE content IN picked))
"""


@dataclass(frozen=True, slots=True)
class Picked:
    """Documents to be forgotten, in the temp tables `named` and `picked` of their connection.

    `documents` are the ids that answer now, `names` these, older ids, and the paths that nothing
    else has; `rows` counts what lies in the tables; `similar` are near-duplicates that stay.
    """

    names: tuple[str, ...]
    documents: tuple[str, ...]
    similar: tuple[str, ...]
    rows: Mapping[str, int]
    contents: tuple[ForgottenContent, ...]


def prepare(
    connection: sqlite3.Connection, contents: Sequence[int] = (), names: Sequence[str] = ()
) -> None:
    """Fill `named` and `picked`, temp tables of the connection, with these alone."""
    connection.executescript(_SCRATCH)
    connection.executemany("INSERT OR IGNORE INTO named VALUES (?)", [(name,) for name in names])
    connection.executemany("INSERT OR IGNORE INTO picked VALUES (?)", [(row,) for row in contents])


def pick(
    connection: sqlite3.Connection, generation: int, names: Sequence[str], before: int | None = None
) -> Picked:
    """All that belongs to documents of these ids. Writes temp tables only.

    What answered in generation `before`, where a killed job began, counts as answering.
    """
    values = {"g": generation, "before": generation if before is None else before}
    prepare(connection, names=names)
    for statement in _PICK:
        connection.execute(statement, values)
    return Picked(
        names=_column(connection, _NAMES, values),
        documents=_column(connection, _ANSWERING, values),
        similar=_column(connection, _SIMILAR, values) if near.known(connection) else (),
        rows=_rows(connection, values),
        contents=tuple(_contents(connection)),
    )


def _column(
    connection: sqlite3.Connection, query: str, values: Mapping[str, int]
) -> tuple[str, ...]:
    return tuple(sorted({str(value) for (value,) in connection.execute(query, values)}))


def texts(connection: sqlite3.Connection) -> Iterator[str]:
    """The texts of what was picked."""
    for (text,) in connection.execute("SELECT text FROM texts WHERE content IN picked"):
        yield text


def _rows(connection: sqlite3.Connection, values: Mapping[str, int]) -> dict[str, int]:
    def count(query: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {query}", values).fetchone()[0])

    mine = "(SELECT vector FROM chunks WHERE content IN picked)"
    others = "(SELECT vector FROM chunks WHERE content NOT IN picked)"
    return {
        "documents": count(f"contents WHERE row IN picked AND {_answering('contents')}"),
        "ids": count("named WHERE identity IN (SELECT identity FROM paths)"),
        "texts": count("texts WHERE content IN picked"),
        "chunks": count("chunks WHERE content IN picked"),
        "vectors": count(f"vectors WHERE id IN {mine} AND id NOT IN {others}"),
    }


def _contents(connection: sqlite3.Connection) -> Iterator[ForgottenContent]:
    found = connection.execute(
        "SELECT DISTINCT coalesce(identity, ''), sha256, text_sha256, chunks FROM contents"
        " LEFT JOIN paths ON paths.content = contents.row AND paths.identity IN named"
        " WHERE contents.row IN picked ORDER BY 1, 2, 3"
    )
    for identity, sha256, text_sha256, chunks in found:
        yield ForgottenContent(digest(identity), sha256, text_sha256, chunks)


def digest(name: str) -> str:
    """The hash by which a receipt knows a document's id."""
    return hashlib.sha256(name.encode()).hexdigest()


def hide(connection: sqlite3.Connection, generation: int, target: int) -> None:
    """Take what was picked out of generation `target`; inside a transaction.

    What no generation holds yet goes too: rows of killed jobs do not say whose they are.
    """
    values = {"g": generation, "target": target}
    for table in _CHANGED:
        connection.execute(f"UPDATE {table} SET gen_removed=NULL WHERE gen_removed > :g", values)
        connection.execute(f"UPDATE {table} SET gen_removed=:target WHERE gen_added > :g", values)
    for condition in (
        "contents SET gen_removed=:target WHERE row IN picked",
        "chunks SET gen_removed=:target WHERE content IN picked",
        "paths SET gen_removed=:target WHERE (content IN picked OR identity IN named)",
    ):
        connection.execute(f"UPDATE {condition} AND gen_removed IS NULL", values)


def picked_rows(connection: sqlite3.Connection) -> list[int]:
    """Numbers of the contents that were picked."""
    return [row for (row,) in connection.execute("SELECT content FROM picked")]


def erase(connection: sqlite3.Connection) -> None:
    """Remove every row that is not of the newest generation; inside a transaction."""
    rows = [
        row for (row,) in connection.execute("SELECT row FROM contents WHERE gen_removed NOTNULL")
    ]
    for start in range(0, len(rows), _AT_ONCE):
        near.leave(connection, rows[start : start + _AT_ONCE])
    for orphans in (
        "contents WHERE gen_removed NOTNULL",
        "paths WHERE gen_removed NOTNULL",
        "chunks WHERE gen_removed NOTNULL OR content NOT IN (SELECT row FROM contents)",
        "texts WHERE content NOT IN (SELECT row FROM contents)",
        "sketches WHERE content NOT IN (SELECT row FROM contents)",
        "bands WHERE content NOT IN (SELECT content FROM sketches)",
        "vectors WHERE id NOT IN (SELECT vector FROM chunks)",
        "failures WHERE path IN named",
        "file_hashes WHERE path NOT IN (SELECT path FROM paths)"
        " AND path NOT IN (SELECT path FROM failures)",
        "group_sets WHERE id NOT IN (SELECT group_set FROM contents)",
    ):
        connection.execute(f"DELETE FROM {orphans}")
    notes.sweep(connection)
    # Words are only marked as deleted until their segment is merged; a rebuild leaves none.
    connection.execute("INSERT INTO lexical (lexical) VALUES ('rebuild')")
    segments.compact(connection)


def scrub(connection: sqlite3.Connection, directory: Path) -> None:
    """Write the database anew without free pages, and empty its log.

    Raises KnowledgeBaseError where a reader holds on to the log for longer than it should.
    """
    connection.execute("VACUUM")
    truncate_log(connection, directory)


def truncate_log(connection: sqlite3.Connection, directory: Path) -> None:
    """Empty the write-ahead log, waiting for readers. Raises KnowledgeBaseError."""
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise KnowledgeBaseError(
            directory, f"a reader keeps old pages of {DATABASE}; run again when it has finished"
        )


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A forgetting under way, kept in the database until its receipt is written.

    Until `erased`, `names` and `contents` say what it is about; after, only the receipt does.
    `asked` are hashes of what the command named.
    """

    erased: bool
    asked: tuple[str, ...]
    names: tuple[str, ...]
    contents: tuple[int, ...]
    receipt: Mapping[str, object] | None
    removed: Mapping[str, int]
    before: int

    def save(self, connection: sqlite3.Connection) -> None:
        """Write it, durably if the connection's transactions are."""
        value = json.dumps(
            {
                "erased": self.erased,
                "asked": self.asked,
                "names": self.names,
                "contents": self.contents,
                "receipt": self.receipt,
                "removed": dict(self.removed),
                "before": self.before,
            },
            ensure_ascii=False,
        )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('forgetting', ?)", (value,))

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Unfinished | None:
        """What a killed forgetting left, if one did."""
        row = connection.execute("SELECT value FROM meta WHERE name='forgetting'").fetchone()
        if row is None:
            return None
        value = json.loads(row[0])
        return cls(
            value["erased"],
            tuple(value["asked"]),
            tuple(value["names"]),
            tuple(value["contents"]),
            value["receipt"],
            value["removed"],
            value["before"],
        )


def finish(connection: sqlite3.Connection) -> None:
    """Forget that something was forgotten; the receipt remembers it."""
    with transaction(connection):
        connection.execute("DELETE FROM meta WHERE name='forgetting'")
