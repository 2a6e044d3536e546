"""Rows of a generation that no reader sees yet, in small transactions.

They are their own journal: a content is written with all its chunks or not at all, so the next
job takes over what a killed one left and embeds nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ingest import failures, near, notes
from ingest.manifest import Manifest
from ingest.schema import transaction
from ingest.types import Chunk, Embedder, ParsedDocument, Vectors

_BOUND = 500
_EMPTY_TABLES = (
    "contents", "texts", "paths", "chunks", "vectors", "sketches", "bands", "file_hashes", "notes",
    "failures", "segments", "postings",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """One document's text and chunks, ready to be written. `vector_keys` name their vectors."""

    key: str
    sha256: str
    size: int
    parsed: ParsedDocument
    chunks: Sequence[Chunk]
    vector_keys: Sequence[bytes]
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class FileHash:
    """The hash of a file and the status it had then."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str


class Writer:
    """Writes rows of the generation `target`. One at a time, under the writer's lock."""

    def __init__(self, connection: sqlite3.Connection, manifest: Manifest | None) -> None:
        self.connection = connection
        self.generation = manifest.generation if manifest is not None else 0
        self.target = (manifest.newest if manifest is not None else 0) + 1

    def begin(self, embedder: Embedder) -> None:
        """Take over what a killed or rolled-back job left; readers see no difference."""
        with transaction(self.connection):
            self._check_vectors(embedder)
            values = {"g": self.generation, "target": self.target}
            for table in ("contents", "chunks"):
                self._execute(f"UPDATE {table} SET gen_added=:target WHERE gen_added>:g", values)
            self._execute("DELETE FROM paths WHERE gen_added>:g", values)
            for table in ("contents", "chunks", "paths"):
                self._execute(f"UPDATE {table} SET gen_removed=NULL WHERE gen_removed>:g", values)

    def _check_vectors(self, embedder: Embedder) -> None:
        """Before the first commit no manifest says whose vectors these are; this does."""
        mine = f"{embedder.name} {embedder.sha256} {embedder.dimension}"
        row = self._execute("SELECT value FROM meta WHERE name='embedder'").fetchone()
        if row is not None and row[0] != mine and self.generation == 0:
            for table in _EMPTY_TABLES:
                self._execute(f"DELETE FROM {table}")
            self._execute("INSERT INTO lexical (lexical) VALUES ('delete-all')")
        self._execute("INSERT OR REPLACE INTO meta VALUES ('embedder', :mine)", {"mine": mine})

    def known_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys whose vectors are stored already."""
        found: set[bytes] = set()
        for start in range(0, len(keys), _BOUND):
            part = tuple(keys[start : start + _BOUND])
            marks = ",".join("?" * len(part))
            rows = self.connection.execute(f"SELECT key FROM vectors WHERE key IN ({marks})", part)
            found.update(key for (key,) in rows)
        return found

    def add_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store unit vectors of shape (n, dimension) under n keys, in one transaction."""
        found = np.ascontiguousarray(vectors, dtype=np.float32)
        rows = [(key, row.tobytes()) for key, row in zip(keys, found, strict=True)]
        self._write(
            lambda: self.connection.executemany(
                "INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows
            )
        )

    def add_contents(self, contents: Sequence[Content]) -> None:
        """Write whole documents in one transaction. Their vectors must be stored already."""
        self._write(lambda: self._add_each(contents))

    def add_hashes(self, hashes: Sequence[FileHash]) -> None:
        """Remember hashes of files; a hint that belongs to no generation."""
        rows = [(item.path, item.size, item.mtime_ns, item.inode, item.sha256) for item in hashes]
        self._write(
            lambda: self.connection.executemany(
                "INSERT OR REPLACE INTO file_hashes VALUES (?,?,?,?,?)", rows
            )
        )

    def add_notes(
        self,
        container: str,
        path: str,
        found: Sequence[notes.Note],
        failed: failures.FailedFile | None,
    ) -> None:
        """Remember what a file of many documents holds; a hint that belongs to no generation.

        `failed` says under what limits documents in it failed; None where they may not again.
        """
        self._write(lambda: self._add_notes(container, path, found, failed))

    def _add_notes(
        self,
        container: str,
        path: str,
        found: Sequence[notes.Note],
        failed: failures.FailedFile | None,
    ) -> None:
        if failed is None:
            failures.drop(self.connection, path)
        else:
            failures.save(self.connection, failed)
        notes.save(self.connection, container, found)

    def _write(self, work: Callable[[], object]) -> None:
        try:
            with transaction(self.connection):
                work()
        except KeyboardInterrupt:
            # What was embedded is not thrown away: this takes milliseconds.
            with transaction(self.connection):
                work()
            raise

    def _add_each(self, contents: Sequence[Content]) -> None:
        for content in contents:
            self._add_content(content)

    def _add_content(self, content: Content) -> None:
        parsed, group_set = content.parsed, self._group_set(content.groups)
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
                "bytes": content.size,
                "characters": len(parsed.text),
                "chunks": len(content.chunks),
                "group_set": group_set,
                "at": now(),
                "target": self.target,
            },
        ).lastrowid
        self._execute("INSERT INTO texts VALUES (:row, :text)", {"row": row, "text": parsed.text})
        self._add_chunks(row, group_set, content)
        if row is not None:
            near.join(self.connection, row, parsed.text)

    def _add_chunks(self, content_row: int | None, group_set: int, content: Content) -> None:
        headings = [json.dumps(chunk.headings, ensure_ascii=False) for chunk in content.chunks]
        first = self._next_chunk()
        rows, words = [], []
        for at, (chunk, key) in enumerate(zip(content.chunks, content.vector_keys, strict=True)):
            where = (first + at, content_row, at, chunk.id, chunk.start, chunk.end, chunk.text)
            rows.append(
                (*where, headings[at], chunk.page, chunk.tokens, key, group_set, self.target)
            )
            words.append((first + at, content.parsed.title, headings[at], chunk.text))
        self.connection.executemany(
            "INSERT INTO chunks VALUES"
            " (?,?,?,?,?,?,?,?,?,?,(SELECT id FROM vectors WHERE key=?),?,?,NULL)",
            rows,
        )
        self.connection.executemany(
            "INSERT INTO lexical (rowid, title, headings, text) VALUES (?,?,?,?)", words
        )

    def _next_chunk(self) -> int:
        row = self._execute("SELECT seq FROM sqlite_sequence WHERE name='chunks'").fetchone()
        return int(row[0]) + 1 if row is not None else 1

    def _group_set(self, groups: frozenset[str]) -> int:
        names = {"names": json.dumps(sorted(groups), ensure_ascii=False)}
        self._execute("INSERT OR IGNORE INTO group_sets (names) VALUES (:names)", names)
        row = self._execute("SELECT id FROM group_sets WHERE names=:names", names).fetchone()
        return int(row[0])

    def _execute(
        self, statement: str, values: Mapping[str, object] | None = None
    ) -> sqlite3.Cursor:
        return self.connection.execute(statement, values or {})


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
