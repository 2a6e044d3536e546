"""The vector files of a generation, made from the stored vectors of its live chunks.

Each file is complete and on the disk before the next is begun, and all before the manifest names
them. Where the index of the generation before can grow, it does: what is gone leaves a tombstone.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ingest import indexing
from ingest.errors import KnowledgeBaseError
from ingest.index import load_graph
from ingest.indexing import IndexSettings
from ingest.manifest import Manifest, graph_name, replacing, vectors_name
from ingest.schema import live
from ingest.types import IndexInfo, IndexKind, Vectors
from ingest.vectors import GONE, Rows, load_index, matrix, rows_of, write_vectors

_LOG = logging.getLogger(__name__)
# Of vectors that are copied at a time: 1.5 KB each, more than once in memory.
_BATCH = 512
_ALL = f"""
  SELECT chunks.row, vectors.vector FROM chunks JOIN vectors ON vectors.id = chunks.vector
  WHERE {live("chunks")} ORDER BY chunks.row
"""
_SOME = """
  SELECT chunks.row, vectors.vector FROM json_each(:rows) AS wanted
  JOIN chunks ON chunks.row = wanted.value JOIN vectors ON vectors.id = chunks.vector
"""
Blocks = Iterator[tuple[Rows, Vectors]]


@dataclass(frozen=True, slots=True)
class _Base:
    """The index to grow from: its rows with tombstones set, its vectors, and rows to be added."""

    manifest: Manifest
    rows: Rows
    index: Any
    new: Rows

    @property
    def places(self) -> int:
        return len(self.rows) + len(self.new)

    @property
    def dead(self) -> int:
        return int(np.count_nonzero(self.rows == GONE))


def write_index(
    connection: sqlite3.Connection,
    directory: Path,
    manifest: Manifest,
    before: Manifest | None,
    settings: IndexSettings,
) -> IndexInfo:
    """Write the vectors of `manifest`'s generation and, if it has one, its graph.

    `before` is the generation that it follows. Raises KnowledgeBaseError, OSError (disk full).
    """
    choice = settings.choice or (before.searched.choice if before is not None else "auto")
    kind = settings.kind(choice, manifest.chunks, manifest.dimension)
    base = _base(connection, directory, manifest, before, kind, settings)
    places, dead = (base.places, base.dead) if base is not None else (manifest.chunks, 0)
    info = IndexInfo(kind, choice, places, dead, trained=manifest.chunks)
    blocks = _grown(connection, manifest, base) if base is not None else _all(connection, manifest)
    with replacing(directory / vectors_name(manifest.generation)) as part:
        found = write_vectors(part, manifest.dimension, places, blocks)
        if found != places:
            raise KnowledgeBaseError(
                directory, f"{places - found} chunks have no vector; run: kb verify"
            )
    if kind == "flat":
        return info
    return _write_graph(directory, replace(manifest, index=info), base, settings)


def _write_graph(
    directory: Path, manifest: Manifest, base: _Base | None, settings: IndexSettings
) -> IndexInfo:
    info, vectors = manifest.searched, load_index(directory, manifest)
    if base is None:
        graph, parameters = indexing.new_graph(info.kind, vectors)
        info = replace(info, parameters=parameters)
    else:
        known = load_graph(directory, base.manifest, mapped=False)
        graph, earlier = indexing.grow(info.kind, known, vectors), base.manifest.searched
        info = replace(info, parameters=earlier.parameters, trained=earlier.trained)
    with replacing(directory / graph_name(manifest.generation)) as part:
        try:
            indexing.write_graph(graph, part)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-120:]
            raise KnowledgeBaseError(directory, f"cannot write the index: {reason}") from error
    # Measured as readers will meet it: from the file.
    written = load_graph(directory, replace(manifest, index=info))
    return indexing.measured(vectors, written, info, settings)


def _base(
    connection: sqlite3.Connection,
    directory: Path,
    manifest: Manifest,
    before: Manifest | None,
    kind: IndexKind,
    settings: IndexSettings,
) -> _Base | None:
    """What can be grown from, or None where all must be built anew."""
    if before is None or before.searched.kind != kind or kind == "flat":
        return None
    try:
        index = load_index(directory, before)
        load_graph(directory, before)
    except KnowledgeBaseError as error:
        _LOG.warning("%s; the index is built anew", error)
        return None
    found = connection.execute(
        f"SELECT row FROM chunks WHERE {live('chunks')} ORDER BY row", {"g": manifest.generation}
    )
    wanted = np.fromiter((row for (row,) in found), dtype=np.int64)
    rows = rows_of(index)
    new = wanted[~np.isin(wanted, rows)]
    kept = np.where(np.isin(rows, wanted), rows, GONE)
    base = _Base(before, kept, index, new)
    return base if settings.grows(kind, before.searched, base.places, base.dead) else None


def _grown(connection: sqlite3.Connection, manifest: Manifest, base: _Base) -> Blocks:
    vectors = matrix(base.index)
    for at in range(0, len(base.rows), _BATCH):
        yield base.rows[at : at + _BATCH], vectors[at : at + _BATCH]
    for at in range(0, len(base.new), _BATCH):
        rows = json.dumps(base.new[at : at + _BATCH].tolist())
        yield from _blocks(connection.execute(_SOME, {"rows": rows}), manifest.dimension)


def _all(connection: sqlite3.Connection, manifest: Manifest) -> Blocks:
    return _blocks(connection.execute(_ALL, {"g": manifest.generation}), manifest.dimension)


def _blocks(cursor: sqlite3.Cursor, dimension: int) -> Blocks:
    while batch := cursor.fetchmany(_BATCH):
        rows = np.array([row for row, _ in batch], dtype=np.int64)
        stored = np.frombuffer(b"".join(blob for _, blob in batch), dtype=np.float32)
        yield rows, stored.reshape(len(batch), dimension)
