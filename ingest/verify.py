"""Is everything in a knowledge base what it should be? Reads all of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ingest.errors import KnowledgeBaseError
from ingest.manifest import Manifest, vectors_name
from ingest.schema import connect_reader, connect_writer, database_errors, live
from ingest.snapshot import load_index

_SHOWN = 5
_TOLERANCE = 1e-6


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
    with database_errors(directory):
        connection = connect_reader(directory)
    try:
        problems = tuple(_problems(connection, directory, manifest))
    finally:
        connection.close()
    return VerifyReport(manifest.documents, manifest.chunks, problems)


def _problems(connection: sqlite3.Connection, directory: Path, manifest: Manifest) -> Iterator[str]:
    values = {"g": manifest.generation}
    try:
        broken = [row for (row,) in connection.execute("PRAGMA integrity_check") if row != "ok"]
        if broken:
            # The checks below would only repeat it in other words.
            yield from (f"database: {line}" for line in broken[:_SHOWN])
            return
        yield from _counts(connection, manifest, values)
        yield from _named(_texts(connection, values))
        yield from _named(_chunks(connection, values))
        yield from _named(_orphans(connection, values))
        yield from _named(_vectors(connection, directory, manifest, values))
        yield from _words(directory)
    except sqlite3.DatabaseError as error:
        yield f"database: {error}"


def _named(problems: Iterator[str]) -> Iterator[str]:
    """The first few of one kind, and how many more there are."""
    found = list(problems)
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"and {len(found) - _SHOWN} more of that kind"


def _counts(
    connection: sqlite3.Connection, manifest: Manifest, values: dict[str, int]
) -> Iterator[str]:
    for table, expected in (("contents", manifest.documents), ("chunks", manifest.chunks)):
        (found,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {live(table)}", values
        ).fetchone()
        if found != expected:
            yield f"{table}: {found} rows, the manifest says {expected}"


def _texts(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[str]:
    rows = connection.execute(
        "SELECT contents.row, text_sha256, characters, text FROM contents"
        f" LEFT JOIN texts ON texts.content = contents.row WHERE {live('contents')}",
        values,
    )
    for row, sha256, characters, text in rows:
        if text is None:
            yield f"document {row}: its text is missing"
        elif hashlib.sha256(text.encode()).hexdigest() != sha256:
            yield f"document {row}: its text does not have the recorded hash"
        elif len(text) != characters:
            yield f"document {row}: {len(text)} characters, {characters} recorded"


def _chunks(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[str]:
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
            yield f"chunk {row}: its text is not characters {start} to {end} of its document"
        elif start < last:
            yield f"chunk {row}: overlaps the one before it"
        last = end


def _orphans(connection: sqlite3.Connection, values: dict[str, int]) -> Iterator[str]:
    """Documents nobody can name, chunks without document, names that lead nowhere."""
    for (row,) in connection.execute(
        f"SELECT row FROM contents WHERE {live('contents')} AND NOT EXISTS"
        f" (SELECT 1 FROM paths WHERE paths.content = contents.row AND {live('paths')})",
        values,
    ):
        yield f"document {row}: no path leads to it"
    for (identity,) in connection.execute(
        f"SELECT identity FROM paths WHERE {live('paths')} AND NOT EXISTS"
        f" (SELECT 1 FROM contents WHERE contents.row = paths.content AND {live('contents')})",
        values,
    ):
        yield f"document {identity}: its content is missing"
    for row, expected, found in connection.execute(
        "SELECT contents.row, contents.chunks, (SELECT count(*) FROM chunks"
        f" WHERE chunks.content = contents.row AND {live('chunks')}) AS found"
        f" FROM contents WHERE {live('contents')} AND contents.chunks <> found",
        values,
    ):
        yield f"document {row}: {found} chunks, {expected} recorded"


def _vectors(
    connection: sqlite3.Connection,
    directory: Path,
    manifest: Manifest,
    values: dict[str, int],
) -> Iterator[str]:
    try:
        index: Any = load_index(directory, manifest)
    except KnowledgeBaseError as error:
        yield error.problem
        return
    name = vectors_name(manifest.generation)
    waiting = set(map(int, faiss.vector_to_array(index.id_map)))
    rows = connection.execute(
        "SELECT chunks.row, vectors.vector FROM chunks"
        f" LEFT JOIN vectors ON vectors.id = chunks.vector WHERE {live('chunks')}",
        values,
    )
    for row, blob in rows:
        if row not in waiting:
            yield f"chunk {row}: not in {name}"
            continue
        waiting.discard(row)
        if blob is None or len(blob) != 4 * manifest.dimension:
            yield f"chunk {row}: its stored vector is missing"
        elif np.abs(index.reconstruct(row) - np.frombuffer(blob, np.float32)).max() > _TOLERANCE:
            yield f"chunk {row}: its vector in {name} is not the stored one"
    for row in sorted(waiting):
        yield f"{name} holds row {row}, which is no chunk"


def _words(directory: Path) -> Iterator[str]:
    """FTS5 compares its index with the chunks it was made from, word by word."""
    connection = connect_writer(directory)
    try:
        connection.execute("INSERT INTO lexical (lexical, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        yield f"word index: {error}"
    finally:
        connection.close()
