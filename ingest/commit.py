"""The commit of a generation, the way back to the one before, and what is swept up after.

A commit seals the rows (one durable transaction), writes and syncs the vector file, then replaces
the manifest. Killed before that last step, the base answers from the old generation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import numpy as np

from ingest.chunk import ChunkSettings
from ingest.errors import KnowledgeBaseError
from ingest.lock import writer_lock
from ingest.manifest import (
    FORMAT,
    Manifest,
    read_manifest,
    replacing,
    vectors_name,
    write_manifest,
)
from ingest.schema import connect_writer, database_errors, live, transaction
from ingest.snapshot import new_index
from ingest.types import Embedder
from ingest.writer import Writer, now

_BATCH = 4096
_PURGE = 200

_SEAL = (
    # Every identity that was met, with the one live or pending content that has its key.
    """CREATE TEMP TABLE wanted AS SELECT seq, identity, path,
         (SELECT min(row) FROM contents WHERE contents.key = met.key AND gen_removed IS NULL)
         AS content FROM met""",
    """CREATE INDEX temp.wanted_identity ON wanted (identity)""",
)
_MOVE = (
    """UPDATE paths SET gen_removed = :target WHERE gen_removed IS NULL AND EXISTS
         (SELECT 1 FROM wanted WHERE wanted.identity = paths.identity
          AND (wanted.content <> paths.content OR wanted.path <> paths.path))""",
    """UPDATE paths SET gen_removed = :target WHERE gen_removed IS NULL
         AND identity IN (SELECT identity FROM gone)""",
    """INSERT INTO paths (identity, path, content, gen_added)
         SELECT identity, path, content, :target FROM wanted WHERE NOT EXISTS
         (SELECT 1 FROM paths WHERE paths.identity = wanted.identity AND gen_removed IS NULL)
         ORDER BY seq""",
)
_RETIRE = (
    """UPDATE contents SET gen_removed = :target WHERE gen_removed IS NULL AND gen_added < :target
         AND NOT EXISTS (SELECT 1 FROM paths WHERE paths.content = contents.row
                         AND paths.gen_removed IS NULL)""",
    """UPDATE chunks SET gen_removed = :target WHERE gen_removed IS NULL AND gen_added < :target
         AND content IN (SELECT row FROM contents WHERE gen_removed = :target)""",
)
# Contents that a job before wrote and this one did not meet.
_ORPHANS = """
  SELECT row FROM contents WHERE gen_added = :target AND NOT EXISTS
    (SELECT 1 FROM paths WHERE paths.content = contents.row AND paths.gen_removed IS NULL)
"""


@dataclass(frozen=True, slots=True)
class _Counts:
    documents: int
    chunks: int
    characters: int


def commit(
    writer: Writer,
    directory: Path,
    manifest: Manifest | None,
    embedder: Embedder,
    chunking: ChunkSettings,
) -> Manifest | None:
    """Make what the plan holds visible to readers. None when that changes nothing."""
    connection, values = writer.connection, {"target": writer.target}
    if not _seal(connection, values):
        _purge(connection, directory, manifest)
        return None
    stamp, counts = now(), _counts(connection, writer.target)
    following = Manifest(
        format=FORMAT,
        generation=writer.target,
        previous=manifest.generation if manifest is not None else None,
        newest=writer.target,
        embedder=embedder.name,
        embedder_sha256=embedder.sha256,
        dimension=embedder.dimension,
        max_tokens=chunking.max_tokens,
        documents=counts.documents,
        chunks=counts.chunks,
        characters=counts.characters,
        created=manifest.created if manifest is not None else stamp,
        updated=stamp,
    )
    _write_vectors(connection, directory, following)
    write_manifest(directory, following)
    _purge(connection, directory, following)
    return following


def _seal(connection: sqlite3.Connection, values: dict[str, int]) -> bool:
    """Give identities their new contents, durably. Whether any changed."""
    # This transaction, and with it all before it, must be on the disk before the manifest is.
    connection.execute("PRAGMA synchronous=FULL")
    with transaction(connection):
        for statement in _SEAL:
            connection.execute(statement)
        moved = sum(connection.execute(statement, values).rowcount for statement in _MOVE)
        for statement in _RETIRE:
            connection.execute(statement, values)
        orphans = [row for (row,) in connection.execute(_ORPHANS, values)]
        for start in range(0, len(orphans), _PURGE):
            _delete(connection, orphans[start : start + _PURGE])
        connection.execute("DROP TABLE wanted")
    connection.execute("PRAGMA synchronous=NORMAL")
    return moved > 0


def _counts(connection: sqlite3.Connection, generation: int) -> _Counts:
    values = {"g": generation}
    documents, characters = connection.execute(
        f"SELECT count(*), coalesce(sum(characters), 0) FROM contents WHERE {live('contents')}",
        values,
    ).fetchone()
    (chunks,) = connection.execute(
        f"SELECT count(*) FROM chunks WHERE {live('chunks')}", values
    ).fetchone()
    return _Counts(documents, chunks, characters)


def _write_vectors(connection: sqlite3.Connection, directory: Path, manifest: Manifest) -> None:
    """The vector file of a generation, made from the stored vectors of its live chunks."""
    index = new_index(manifest.dimension)
    cursor = connection.execute(
        "SELECT chunks.row, vectors.vector FROM chunks"
        f" JOIN vectors ON vectors.id = chunks.vector WHERE {live('chunks')} ORDER BY chunks.row",
        {"g": manifest.generation},
    )
    while batch := cursor.fetchmany(_BATCH):
        rows = np.array([row for row, _ in batch], dtype=np.int64)
        stored = np.frombuffer(b"".join(blob for _, blob in batch), dtype=np.float32)
        index.add_with_ids(stored.reshape(len(batch), manifest.dimension), rows)
    if index.ntotal != manifest.chunks:
        raise KnowledgeBaseError(
            directory, f"{manifest.chunks - index.ntotal} chunks have no vector; run: kb verify"
        )
    with replacing(directory / vectors_name(manifest.generation)) as part:
        try:
            faiss.write_index(index, str(part))
        except RuntimeError as error:
            raise KnowledgeBaseError(directory, f"cannot write vectors: {_short(error)}") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[-120:]


def _purge(connection: sqlite3.Connection, directory: Path, manifest: Manifest | None) -> None:
    """Remove what no reader can ask for: rows and files older than the generation before."""
    if manifest is None:
        return
    oldest = manifest.generation if manifest.previous is None else manifest.previous
    while rows := _dead(connection, oldest):
        with transaction(connection):
            _delete(connection, rows)
    with transaction(connection):
        connection.execute("DELETE FROM paths WHERE gen_removed <= ?", (oldest,))
        connection.execute("DELETE FROM vectors WHERE id NOT IN (SELECT vector FROM chunks)")
        connection.execute("DELETE FROM file_hashes WHERE path NOT IN (SELECT path FROM paths)")
    kept = {vectors_name(manifest.generation), vectors_name(oldest)}
    for file in directory.glob("vectors-*.faiss"):
        if file.name not in kept:
            file.unlink(missing_ok=True)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _dead(connection: sqlite3.Connection, oldest: int) -> list[int]:
    found = connection.execute(
        "SELECT row FROM contents WHERE gen_removed <= ? LIMIT ?", (oldest, _PURGE)
    )
    return [row for (row,) in found]


def _delete(connection: sqlite3.Connection, contents: Sequence[int]) -> None:
    """Remove contents with their texts, chunks and words; inside a transaction."""
    marks = ",".join("?" * len(contents))
    chunks = f"SELECT row FROM chunks WHERE content IN ({marks})"
    # An index that holds no text of its own must be told what it forgets.
    connection.execute(
        "INSERT INTO lexical (lexical, rowid, title, headings, text)"
        f" SELECT 'delete', row, title, headings, text FROM lexical_source WHERE row IN ({chunks})",
        tuple(contents),
    )
    for table, column in (("chunks", "content"), ("texts", "content"), ("contents", "row")):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", tuple(contents))


def rollback(directory: Path) -> Manifest:
    """Return to the generation before. The next job may still reuse what was rolled back.

    Raises KnowledgeBaseBusy, and KnowledgeBaseError when there is no generation to return to.
    """
    with writer_lock(directory), database_errors(directory):
        manifest = read_manifest(directory)
        if manifest.previous is None:
            raise KnowledgeBaseError(directory, "holds no earlier generation to return to")
        if not (directory / vectors_name(manifest.previous)).is_file():
            raise KnowledgeBaseError(directory, f"{vectors_name(manifest.previous)} is missing")
        connection = connect_writer(directory)
        try:
            counts = _counts(connection, manifest.previous)
        finally:
            connection.close()
        earlier = replace(
            manifest,
            generation=manifest.previous,
            previous=None,
            updated=now(),
            documents=counts.documents,
            chunks=counts.chunks,
            characters=counts.characters,
        )
        write_manifest(directory, earlier)
    return earlier
