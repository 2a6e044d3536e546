"""The commit of a generation, the way back to the one before, and what is swept up after.

A commit seals the rows (one durable transaction), writes and syncs the vector file, then replaces
the manifest. Killed before that last step, the base answers from the old generation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest import near, notes, segments
from ingest.chunk import ChunkSettings
from ingest.errors import KnowledgeBaseError
from ingest.generation import write_index
from ingest.indexing import IndexSettings
from ingest.lock import writer_lock
from ingest.manifest import (
    FORMAT,
    Manifest,
    graph_name,
    read_manifest,
    vectors_name,
    write_manifest,
)
from ingest.schema import connect_writer, database_errors, live, transaction
from ingest.types import Embedder
from ingest.writer import Writer, now

_PURGE = 200
_FILES = (vectors_name, graph_name)

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

# Contents that a killed `kb forget` still needs, to find what quotes them.
_HELD = """
  SELECT held.value FROM meta, json_each(meta.value, '$.contents') AS held
  WHERE meta.name = 'forgetting'
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
    index: IndexSettings | None = None,
) -> Manifest | None:
    """Make what the plan holds visible to readers. None when that changes nothing.

    Another choice of index than the last is a change: a new generation of the same rows.
    """
    connection, values = writer.connection, {"target": writer.target}
    index = index or IndexSettings()
    # Made durable by what seals the rows.
    segments.extend(connection)
    changed = _seal(connection, values)
    if not changed and (manifest is None or index.choice in (None, manifest.searched.choice)):
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
        previous_index=manifest.index if manifest is not None else None,
    )
    following = _write_vectors(connection, directory, following, manifest, index)
    write_manifest(directory, following)
    _purge(connection, directory, following)
    return following


def publish(
    connection: sqlite3.Connection, directory: Path, manifest: Manifest, previous: int | None
) -> Manifest:
    """Make the rows of the next generation visible to readers, whatever they are.

    `previous` is what a rollback then returns to. The rows must be on the disk already.
    """
    target = manifest.newest + 1
    counts = _counts(connection, target)
    following = replace(
        manifest,
        format=FORMAT,
        generation=target,
        previous=previous,
        newest=target,
        updated=now(),
        documents=counts.documents,
        chunks=counts.chunks,
        characters=counts.characters,
        previous_index=manifest.index if previous == manifest.generation else None,
    )
    # Built anew: a tombstone keeps its vector, and what is wrong in the old file must not stay.
    anew = IndexSettings(compact=True)
    following = _write_vectors(connection, directory, following, manifest, anew)
    write_manifest(directory, following)
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


def _write_vectors(
    connection: sqlite3.Connection,
    directory: Path,
    manifest: Manifest,
    before: Manifest | None,
    settings: IndexSettings,
) -> Manifest:
    """The manifest with the index that its generation now has on the disk."""
    return replace(manifest, index=write_index(connection, directory, manifest, before, settings))


def _purge(connection: sqlite3.Connection, directory: Path, manifest: Manifest | None) -> None:
    """Remove what no reader can ask for: rows and files older than the generation before."""
    if manifest is None:
        return
    oldest = manifest.generation if manifest.previous is None else manifest.previous
    while rows := _dead(connection, oldest):
        with transaction(connection):
            _delete(connection, rows)
    with transaction(connection):
        connection.execute(
            f"DELETE FROM paths WHERE gen_removed <= ? AND content NOT IN ({_HELD})", (oldest,)
        )
        connection.execute("DELETE FROM vectors WHERE id NOT IN (SELECT vector FROM chunks)")
        connection.execute(
            "DELETE FROM file_hashes WHERE path NOT IN (SELECT path FROM paths)"
            " AND path NOT IN (SELECT path FROM failures)"
        )
        notes.sweep(connection)
    kept = {name(number) for name in _FILES for number in (manifest.generation, oldest)}
    for file in directory.glob("*-*.faiss"):
        if file.name not in kept:
            file.unlink(missing_ok=True)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _dead(connection: sqlite3.Connection, oldest: int) -> list[int]:
    found = connection.execute(
        f"SELECT row FROM contents WHERE gen_removed <= ? AND row NOT IN ({_HELD}) LIMIT ?",
        (oldest, _PURGE),
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
    near.leave(connection, contents)
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
        index = manifest.previous_index
        for name in _FILES[: 1 if index is None or index.kind == "flat" else 2]:
            if not (directory / name(manifest.previous)).is_file():
                raise KnowledgeBaseError(directory, f"{name(manifest.previous)} is missing")
        connection = connect_writer(directory)
        try:
            counts = _counts(connection, manifest.previous)
        finally:
            connection.close()
        earlier = replace(
            manifest,
            generation=manifest.previous,
            previous=None,
            index=index,
            previous_index=None,
            updated=now(),
            documents=counts.documents,
            chunks=counts.chunks,
            characters=counts.characters,
        )
        write_manifest(directory, earlier)
    return earlier
