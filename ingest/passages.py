"""All that a question could bring up of a base: the committed chunks, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ingest.manifest import Manifest, read_manifest
from ingest.records import CHUNKS, stored_chunk
from ingest.schema import connect_reader, database_errors, live
from ingest.types import StoredChunk


def passages(directory: Path, manifest: Manifest | None = None) -> Iterator[StoredChunk]:
    """The chunks of a generation (the current one) in their order. Raises KnowledgeBaseError."""
    manifest = manifest or read_manifest(directory)
    with database_errors(directory), closing(connect_reader(directory)) as connection:
        query = f"{CHUNKS} WHERE {live('chunks')} ORDER BY chunks.row"
        for row in connection.execute(query, {"g": manifest.generation}):
            yield stored_chunk(row)


def passages_of(directory: Path, document: str) -> list[StoredChunk]:
    """The chunks of one document in their order. Raises KnowledgeBaseError."""
    manifest = read_manifest(directory)
    with database_errors(directory), closing(connect_reader(directory)) as connection:
        query = (
            f"{CHUNKS} WHERE {live('chunks')} AND chunks.content = (SELECT content FROM paths"
            f" WHERE identity = :document AND {live('paths')}) ORDER BY chunks.position"
        )
        values = {"g": manifest.generation, "document": document}
        return [stored_chunk(row) for row in connection.execute(query, values)]
