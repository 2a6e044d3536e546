"""The knowledge base as readers see it: search, chunks, documents. Thread-safe, never writes.

Access groups and conditions are part of every search; nothing is filtered after ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock, local
from typing import Any
from weakref import WeakSet

import numpy as np

from ingest import manifest as manifests
from ingest import near
from ingest.commit import rollback
from ingest.conditions import Where
from ingest.errors import IncompatibleKnowledgeBase, KnowledgeBaseError
from ingest.files import bytes_in
from ingest.lexical import phrases
from ingest.manifest import check_embedder
from ingest.records import (
    CHUNKS,
    DOCUMENTS,
    FAMILIES,
    GROUP_COUNTS,
    GroupCount,
    KnowledgeBaseInfo,
    document_record,
    stored_chunk,
    with_near,
)
from ingest.schema import ReaderConnection, connect_reader, database_errors, json_array, live
from ingest.selection import KeyCount, chosen, keys
from ingest.snapshot import Groups, Snapshot
from ingest.types import DocumentRecord, Embedder, Hit, StoredChunk, Vectors
from ingest.verify import VerifyReport, verify

_ATTEMPTS = 3


class KnowledgeBase:
    """A committed generation of a knowledge base; moves to a newer one between queries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = local()
        # Weak: the connection of a thread that has ended goes with it.
        self._connections: WeakSet[ReaderConnection] = WeakSet()
        self._lock = Lock()
        self._loading = Lock()
        self._snapshot = self._load()

    @classmethod
    def open(cls, path: Path | str, embedder: Embedder | None = None) -> KnowledgeBase:
        """Open for reading; with an embedder, only if its vectors are comparable.

        Raises KnowledgeBaseMissing, IncompatibleKnowledgeBase, KnowledgeBaseError (damaged).
        """
        directory = Path(path)
        if embedder is not None:
            check_embedder(directory, manifests.read_manifest(directory), embedder)
        return cls(directory)

    def close(self) -> None:
        """Close every thread's connection. The next query opens a new one."""
        with self._lock:
            self._threads = local()
            for connection in list(self._connections):
                connection.close()
            self._connections.clear()

    @property
    def generation(self) -> int:
        """The generation that the next query reads."""
        return self._current().manifest.generation

    def dense(
        self, vector: Vectors, k: int, groups: Groups = frozenset(), where: Where = ()
    ) -> list[Hit]:
        """The k nearest chunks to a unit vector of shape (dimension,), by cosine.

        With `where`, only those of which every condition holds. Raises UnknownKey for one on what
        no document has that the asker may see.
        """
        snapshot = self._current()
        if vector.size != snapshot.manifest.dimension:
            found, needed = str(snapshot.manifest.dimension), str(vector.size)
            raise IncompatibleKnowledgeBase(self.path, "vector size", found, needed)
        with database_errors(self.path):
            scope = snapshot.scope(groups, where, self._connection())
        return snapshot.search(vector, k, scope)

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: Groups = frozenset(),
        rows: Sequence[int] | None = None,
        where: Where = (),
    ) -> list[Hit]:
        """BM25 over title, headings and text. Terms are alternatives; each is one phrase.

        With `rows`, only those chunks are found; with `where`, as in `dense`. Scores are
        positive, larger is better.
        """
        wanted, snapshot = phrases(terms), self._current()
        if not wanted or k < 1:
            return []
        with database_errors(self.path):
            connection = self._connection()
            scope = snapshot.scope(groups, where, connection)
            mask = None if scope is None else scope.mask
            return snapshot.words.best(connection, wanted, k, mask, rows)

    def among(self, where: Where) -> Among:
        """Both searches, among the chunks of which every condition holds."""
        return Among(self, where)

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        """Cosines of these chunks with a unit vector of shape (dimension,), in the given order."""
        found = self._rows(
            "SELECT chunks.row, vectors.vector FROM chunks JOIN vectors"
            " ON vectors.id = chunks.vector"
            " WHERE chunks.row IN (SELECT value FROM json_each(:rows))",
            {"rows": json_array(rows)},
        )
        known = {row: np.frombuffer(blob, dtype=np.float32) for row, blob in found}
        self._require(rows, known)
        query = np.asarray(vector, dtype=np.float32).reshape(-1)
        return [float(known[row] @ query) for row in rows]

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]:
        """These chunks in the given order. Raises KnowledgeBaseError for a row that is gone."""
        found = self._rows(
            CHUNKS + "WHERE chunks.row IN (SELECT value FROM json_each(:rows))",
            {"rows": json_array(rows), "g": self.generation},
        )
        known = {chunk.row: chunk for chunk in map(stored_chunk, found)}
        self._require(rows, known)
        return [known[row] for row in rows]

    def families(self, rows: Sequence[int]) -> dict[int, int]:
        """Those chunks whose document has near-duplicates, with the number of its family."""
        with database_errors(self.path):
            return near.families(self._connection(), rows)

    def neighbours(self, row: int) -> tuple[int | None, int | None]:
        """Rows of the chunks before and after this one in its document; None at the ends."""
        found = self._rows(
            "SELECT other.row, other.position - me.position FROM chunks AS me JOIN chunks AS other"
            " ON other.content = me.content"
            " AND other.position BETWEEN me.position - 1 AND me.position + 1"
            " WHERE me.row = :row",
            {"row": int(row)},
        )
        steps = {step: number for number, step in found}
        self._require([row], [row] if 0 in steps else [])
        return steps.get(-1), steps.get(1)

    def document_text(self, document: str) -> str:
        """The whole text that a document's offsets refer to. Raises KnowledgeBaseError."""
        found = self._rows(
            "SELECT texts.text FROM paths JOIN texts ON texts.content = paths.content"
            f" WHERE paths.identity = :document AND {live('paths')}",
            {"document": document, "g": self.generation},
        )
        if not found:
            raise KnowledgeBaseError(self.path, f"holds no document {document!r}")
        return str(found[0][0])

    def documents(self, where: Where = ()) -> list[DocumentRecord]:
        """All documents, or those of which every condition holds, ordered by identity.

        Each once, however many paths it has. Raises UnknownKey for what no document has.
        """
        found = self._rows(DOCUMENTS, {"g": self.generation})
        runs = groupby(found, key=itemgetter(0))
        records = {row: document_record(list(run)) for row, run in runs}
        known = near.known(self._connection())
        families = self._rows(FAMILIES, {"g": self.generation}) if known else []
        every = with_near(records, dict(families))
        if not where:
            return every
        with database_errors(self.path):
            met = chosen(self._connection(), self.path, self.generation, where)
        return [record for record in every if not met.isdisjoint(record.identities)]

    def metadata_keys(self) -> tuple[KeyCount, ...]:
        """The names of the documents' metadata, each with how many have it."""
        with database_errors(self.path):
            return keys(self._connection(), self.generation)

    def info(self) -> KnowledgeBaseInfo:
        """Counts, sizes and provenance of the current generation."""
        manifest = self._current().manifest
        counts = self._rows(GROUP_COUNTS, {"g": manifest.generation})
        return KnowledgeBaseInfo(
            path=str(self.path.resolve()),
            generation=manifest.generation,
            previous=manifest.previous,
            documents=manifest.documents,
            chunks=manifest.chunks,
            characters=manifest.characters,
            embedder=manifest.embedder,
            embedder_sha256=manifest.embedder_sha256,
            dimension=manifest.dimension,
            groups=tuple(GroupCount(group, count) for group, count in counts),
            index=manifest.searched,
            bytes=bytes_in(self.path),
            created=manifest.created,
            updated=manifest.updated,
        )

    def verify(self) -> VerifyReport:
        """Check every row, text, chunk, vector and word. Reads the whole base."""
        return verify(self.path, self._current().manifest)

    def rollback(self) -> None:
        """Return to the generation before. Raises KnowledgeBaseBusy, KnowledgeBaseError."""
        rollback(self.path)

    def _current(self) -> Snapshot:
        """The snapshot of the newest committed generation; one stat when nothing changed."""
        if manifests.read_stamp(self.path) == self._snapshot.stamp:
            return self._snapshot
        with self._loading:
            if manifests.read_stamp(self.path) != self._snapshot.stamp:
                self._snapshot = self._load()
            return self._snapshot

    def _load(self) -> Snapshot:
        for _ in range(_ATTEMPTS):
            stamp = manifests.read_stamp(self.path)
            manifest = manifests.read_manifest(self.path)
            try:
                with database_errors(self.path):
                    return Snapshot.load(self.path, manifest, stamp, self._connection())
            except KnowledgeBaseError:
                # Two commits in a row may remove the file between reading its name and opening
                # it; then there is a newer manifest to read.
                if manifests.read_stamp(self.path) == stamp:
                    raise
        raise KnowledgeBaseError(self.path, "changes faster than it can be read")

    def _connection(self) -> ReaderConnection:
        connection: ReaderConnection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = connect_reader(self.path)
            self._threads.connection = connection
            with self._lock:
                self._connections.add(connection)
        return connection

    def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with database_errors(self.path):
            return self._connection().execute(statement, values).fetchall()

    def _require(self, rows: Sequence[int], known: Iterable[int]) -> None:
        missing = sorted(set(rows) - set(known))
        if missing:
            raise KnowledgeBaseError(
                self.path, f"holds no chunk {missing[0]} any more; search again"
            )


@dataclass(frozen=True, slots=True)
class Among:
    """A base's searches, among the chunks of which every condition holds."""

    base: KnowledgeBase
    where: Where

    def dense(self, vector: Vectors, k: int, groups: Groups) -> list[Hit]:
        return self.base.dense(vector, k, groups, self.where)

    def lexical(
        self, terms: Sequence[str], k: int, groups: Groups, rows: Sequence[int] | None = None
    ) -> list[Hit]:
        return self.base.lexical(terms, k, groups, rows, self.where)
