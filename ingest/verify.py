"""Is everything in a knowledge base what it should be? Reads all of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ingest import failures, wordcheck
from ingest.erase import Unfinished
from ingest.errors import KnowledgeBaseError
from ingest.index import load_graph
from ingest.manifest import Manifest, vectors_name
from ingest.schema import connect_reader, connect_writer, database_errors, live
from ingest.vectors import GONE, load_index, matrix, rows_of

_SHOWN = 5
_TOLERANCE = 1e-6
_UNIT = 1e-2

Kind = Literal[
    "database", "counts", "document", "orphan", "vectors", "words", "forgetting", "failures"
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in one line. `content` is the row of a document that it spoils."""

    kind: Kind
    text: str
    content: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked and what is wrong. No problems means that all is well."""

    documents: int
    chunks: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(directory: Path, manifest: Manifest) -> VerifyReport:
    """Check a committed generation. Raises KnowledgeBaseError only where nothing can be read."""
    with database_errors(directory), closing(connect_reader(directory)) as connection:
        problems = tuple(_told(find_problems(connection, directory, manifest)))
    return VerifyReport(manifest.documents, manifest.chunks, problems)


def find_problems(
    connection: sqlite3.Connection, directory: Path, manifest: Manifest
) -> list[Problem]:
    """All that is wrong. Where the database itself is broken, that alone."""
    broken = broken_pages(connection)
    if broken:
        # The checks below would only repeat it in other words.
        return broken
    try:
        return list(_problems(connection, directory, manifest))
    except sqlite3.DatabaseError as error:
        return [Problem("database", f"database: {error}")]


def broken_pages(connection: sqlite3.Connection) -> list[Problem]:
    """What SQLite finds wrong with its file."""
    try:
        found = [row for (row,) in connection.execute("PRAGMA integrity_check") if row != "ok"]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return [Problem("database", f"database: {line}") for line in found]


def _told(problems: list[Problem]) -> Iterator[str]:
    """The first few of each kind, and how many more there are."""
    kinds = dict.fromkeys(problem.kind for problem in problems)
    for kind in kinds:
        found = [problem.text for problem in problems if problem.kind == kind]
        yield from found[:_SHOWN]
        if len(found) > _SHOWN:
            yield f"and {len(found) - _SHOWN} more of that kind"


def _problems(
    connection: sqlite3.Connection, directory: Path, manifest: Manifest
) -> Iterator[Problem]:
    values = {"g": manifest.generation}
    if Unfinished.load(connection) is not None:
        yield Problem(
            "forgetting", f"a forgetting was not finished; run: surefoot kb forget --kb {directory}"
        )
    yield from _counts(connection, manifest, values)
    yield from _texts(connection, values)
    yield from _chunks(connection, values)
    yield from _misfits(connection, values)
    yield from _orphans(connection, values)
    yield from _vectors(connection, directory, manifest, values)
    yield from _words(directory)
    for line in wordcheck.wrong(connection, manifest.generation):
        yield Problem("words", f"word index: {line}")
    for path in failures.damaged(connection):
        yield Problem("failures", f"{path}: the record of its failure is damaged")


def _counts(
    connection: sqlite3.Connection, manifest: Manifest, values: dict[str, int]
) -> Iterator[Problem]:
    for table, expected in (("contents", manifest.documents), ("chunks", manifest.chunks)):
        (found,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {live(table)}", values
        ).fetchone()
        if found != expected:
            yield Problem("counts", f"{table}: {found} rows, the manifest says {expected}")


def _texts(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[Problem]:
    rows = connection.execute(
        "SELECT contents.row, text_sha256, characters, text FROM contents"
        f" LEFT JOIN texts ON texts.content = contents.row WHERE {live('contents')}",
        values,
    )
    for row, sha256, characters, text in rows:
        if text is None:
            yield _spoiled(row, "its text is missing")
        elif hashlib.sha256(text.encode()).hexdigest() != sha256:
            yield _spoiled(row, "its text does not have the recorded hash")
        elif len(text) != characters:
            yield _spoiled(row, f"{len(text)} characters, {characters} recorded")


def _spoiled(content: int, words: str) -> Problem:
    return Problem("document", f"document {content}: {words}", content)


def _chunks(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[Problem]:
    rows = connection.execute(
        "SELECT chunks.content, chunks.row, chunks.start, chunks.end, chunks.text FROM chunks"
        f" WHERE {live('chunks')} ORDER BY chunks.content, chunks.position",
        values,
    )
    content, whole, last = None, "", 0
    for owner, row, start, end, text in rows:
        if owner != content:
            content, last = owner, 0
            found = connection.execute(
                "SELECT text FROM texts WHERE content=?", (owner,)
            ).fetchone()
            whole = found[0] if found is not None else ""
        if whole[start:end] != text:
            words = f"its text is not characters {start} to {end} of its document"
            yield Problem("document", f"chunk {row}: {words}", owner)
        elif start < last:
            yield Problem("document", f"chunk {row}: overlaps the one before it", owner)
        last = end


def _misfits(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[Problem]:
    """Documents with too few or too many chunks, or with chunks for other eyes."""
    for row, expected, found in connection.execute(
        "SELECT contents.row, contents.chunks, (SELECT count(*) FROM chunks"
        f" WHERE chunks.content = contents.row AND {live('chunks')}) AS found"
        f" FROM contents WHERE {live('contents')} AND contents.chunks <> found",
        values,
    ):
        yield _spoiled(row, f"{found} chunks, {expected} recorded")
    for row, content in connection.execute(
        "SELECT chunks.row, chunks.content FROM chunks JOIN contents"
        f" ON contents.row = chunks.content WHERE {live('chunks')}"
        " AND chunks.group_set <> contents.group_set",
        values,
    ):
        yield Problem("document", f"chunk {row}: its groups are not its document's", content)


def _orphans(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[Problem]:
    """Documents nobody can name, chunks without document, names that lead nowhere."""
    for (row,) in connection.execute(
        f"SELECT row FROM contents WHERE {live('contents')} AND NOT EXISTS"
        f" (SELECT 1 FROM paths WHERE paths.content = contents.row AND {live('paths')})",
        values,
    ):
        yield Problem("orphan", f"document {row}: no path leads to it", row)
    for (identity,) in connection.execute(
        f"SELECT identity FROM paths WHERE {live('paths')} AND NOT EXISTS"
        f" (SELECT 1 FROM contents WHERE contents.row = paths.content AND {live('contents')})",
        values,
    ):
        yield Problem("orphan", f"document {identity}: its content is missing")
    for (row,) in connection.execute(
        f"SELECT row FROM chunks WHERE {live('chunks')} AND NOT EXISTS"
        f" (SELECT 1 FROM contents WHERE contents.row = chunks.content AND {live('contents')})",
        values,
    ):
        yield Problem("orphan", f"chunk {row}: its document is missing")


def _vectors(
    connection: sqlite3.Connection,
    directory: Path,
    manifest: Manifest,
    values: dict[str, int],
) -> Iterator[Problem]:
    name, places = vectors_name(manifest.generation), None
    try:
        index = load_index(directory, manifest)
        places = {int(row): at for at, row in enumerate(rows_of(index)) if row != GONE}
        exact = matrix(index)
        load_graph(directory, manifest)
    except KnowledgeBaseError as error:
        yield Problem("vectors", error.problem)
    rows = connection.execute(
        "SELECT chunks.row, chunks.content, vectors.vector FROM chunks"
        f" LEFT JOIN vectors ON vectors.id = chunks.vector WHERE {live('chunks')}",
        values,
    )
    for row, content, blob in rows:
        stored = stored_vector(blob, manifest.dimension)
        if stored is None:
            yield Problem("document", f"chunk {row}: its stored vector is missing", content)
        at = None if places is None else places.pop(row, None)
        if places is not None and at is None:
            yield Problem("vectors", f"chunk {row}: not in {name}")
        elif at is not None and stored is not None and not _same(exact[at], stored):
            yield Problem("vectors", f"chunk {row}: its vector in {name} is not the stored one")
    for row in sorted(places or ()):
        yield Problem("vectors", f"{name} holds row {row}, which is no chunk")


def _same(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> bool:
    return bool(np.abs(one - other).max() <= _TOLERANCE)


def stored_vector(blob: bytes | None, dimension: int) -> npt.NDArray[np.float32] | None:
    """A stored vector of shape (dimension,), or None where it is not one of unit length."""
    if blob is None or len(blob) != 4 * dimension:
        return None
    found = np.frombuffer(blob, dtype=np.float32)
    return found if is_unit(found) else None


def is_unit(vector: npt.NDArray[np.float32]) -> bool:
    """Whether a vector of shape (d,) is one that an embedder may have made."""
    return bool(abs(float(np.linalg.norm(vector)) - 1.0) <= _UNIT)


def _words(directory: Path) -> Iterator[Problem]:
    """FTS5 compares its index with the chunks it was made from, word by word."""
    with closing(connect_writer(directory)) as connection:
        try:
            connection.execute("INSERT INTO lexical (lexical, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            yield Problem("words", f"word index: {error}")
