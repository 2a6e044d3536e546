"""A writing job on a knowledge base: small transactions nobody sees, then one commit.

The order of a commit: seal the rows of the new generation (one transaction), write and sync its
vector file, replace the manifest. Killed before the last step, the base still answers from the
old generation, and the next job finds complete contents that it need not embed again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ingest import manifest as manifests
from ingest.chunk import ChunkSettings
from ingest.manifest import FORMAT, Manifest
from ingest.schema import live, transaction
from ingest.types import Chunk, Embedder, ParsedDocument, Vectors

_DESIRED = """
CREATE TEMP TABLE IF NOT EXISTS met (
  identity TEXT PRIMARY KEY, path TEXT NOT NULL, key TEXT NOT NULL, origin TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS temp.met_key ON met (key);
CREATE TEMP TABLE IF NOT EXISTS gone (identity TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Content:
    """One document's text and chunks, ready to be written. `inputs` are what was embedded."""

    key: str
    sha256: str
    bytes: int
    parsed: ParsedDocument
    chunks: Sequence[Chunk]
    vector_keys: Sequence[bytes]
    groups: frozenset[str]


class Writer:
    """Writes rows of the generation after `manifest`'s. One at a time, under the writer's lock."""

    def __init__(
        self, connection: sqlite3.Connection, directory: Path, manifest: Manifest | None
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._manifest = manifest
        self.generation = manifest.generation if manifest else 0
        self.target = (manifest.newest if manifest else 0) + 1
        self._connection.executescript(_DESIRED)

    def begin(self) -> None:
        """Take over what a killed or rolled-back job left; readers see no difference."""
        with transaction(self._connection):
            values = {"g": self.generation, "target": self.target}
            for table in ("contents", "chunks"):
                self._execute(f"UPDATE {table} SET gen_added=:target WHERE gen_added>:g", values)
            self._execute("DELETE FROM paths WHERE gen_added > :g", values)
            for table in ("contents", "chunks", "paths"):
                self._execute(f"UPDATE {table} SET gen_removed=NULL WHERE gen_removed>:g", values)

    def meet(self, identity: str, path: str, key: str, origin: str) -> None:
        """Record that `identity` shall have the content `key`. `origin` is for error messages."""
        self._execute(
            "INSERT OR REPLACE INTO met VALUES (:identity, :path, :key, :origin)",
            {"identity": identity, "path": path, "key": key, "origin": origin},
        )

    def drop(self, identities: Iterable[str]) -> None:
        """Record that these identities shall be gone."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO gone VALUES (?)", ((identity,) for identity in identities)
        )

    def known_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys whose vectors are stored already."""
        found: set[bytes] = set()
        for start in range(0, len(keys), 500):
            part = list(keys[start : start + 500])
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT key FROM vectors WHERE key IN ({marks})", part)
            found.update(key for (key,) in rows)
        return found

    def add_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store unit vectors of shape (n, dimension) under n keys, in one transaction."""
        rows = [
            (key, row.tobytes())
            for key, row in zip(keys, np.ascontiguousarray(vectors, np.float32), strict=True)
        ]
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows
            )

    def add_contents(self, contents: Sequence[Content]) -> None:
        """Write whole documents in one transaction. Their vectors must be stored already."""
        with transaction(self._connection):
            for content in contents:
                self._add_content(content)

    def _add_content(self, content: Content) -> None:
        parsed = content.parsed
        group_set = self._group_set(content.groups)
        row = self._execute(
            "INSERT INTO contents (key, sha256, text_sha256, title, metadata, bytes, characters,"
            " chunks, group_set, ingested_at, gen_added) VALUES (:key, :sha256, :text_sha256,"
            " :title, :metadata, :bytes, :characters, :chunks, :group_set, :at, :target)",
            {
                "key": content.key,
                "sha256": content.sha256,
                "text_sha256": hashlib.sha256(parsed.text.encode()).hexdigest(),
                "title": parsed.title,
                "metadata": json.dumps(dict(parsed.metadata), ensure_ascii=False),
                "bytes": content.bytes,
                "characters": len(parsed.text),
                "chunks": len(content.chunks),
                "group_set": group_set,
                "at": now(),
                "target": self.target,
            },
        ).lastrowid
        assert row is not None
        self._connection.execute("INSERT INTO texts VALUES (?, ?)", (row, parsed.text))
        self._add_chunks(row, group_set, content)

    def _add_chunks(self, content_row: int, group_set: int, content: Content) -> None:
        first = self._next_chunk()
        chunks = list(enumerate(zip(content.chunks, content.vector_keys, strict=True)))
        headings = [json.dumps(chunk.headings, ensure_ascii=False) for chunk in content.chunks]
        self._connection.executemany(
            "INSERT INTO chunks VALUES (?,?,?,?,?,?,?,?,?,?,"
            "(SELECT id FROM vectors WHERE key=?),?,?,NULL)",
            (
                (first + at, content_row, at, chunk.id, chunk.start, chunk.end, chunk.text,
                 headings[at], chunk.page, chunk.tokens, key, group_set, self.target)
                for at, (chunk, key) in chunks
            ),
        )  # fmt: skip
        self._connection.executemany(
            "INSERT INTO lexical (rowid, title, headings, text) VALUES (?,?,?,?)",
            (
                (first + at, content.parsed.title, headings[at], chunk.text)
                for at, (chunk, _) in chunks
            ),
        )

    def _next_chunk(self) -> int:
        row = self._execute("SELECT seq FROM sqlite_sequence WHERE name='chunks'").fetchone()
        return int(row[0]) + 1 if row else 1

    def _group_set(self, groups: frozenset[str]) -> int:
        names = json.dumps(sorted(groups), ensure_ascii=False)
        self._execute("INSERT OR IGNORE INTO group_sets (names) VALUES (:n)", {"n": names})
        row = self._execute("SELECT id FROM group_sets WHERE names=:n", {"n": names}).fetchone()
        return int(row[0])

