"""The vectors of a generation as they are searched. Who may see what is part of each search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import KnowledgeBaseError
from ingest.manifest import Manifest, graph_name
from ingest.nearest import Allowed, Lists, method
from ingest.types import Hit, IndexInfo, Vectors
from ingest.vectors import (
    GONE,
    Rows,
    exact_part,
    faiss,
    load_index,
    matrix,
    read_faiss,
    rows_of,
)

# So many bytes of single vectors are compared in less than 5 ms on one core.
EXACT_BYTES = 32 * 2**20


class VectorIndex:
    """The vectors of one generation, searched as its manifest says. Safe to share by threads."""

    def __init__(
        self,
        vectors: Any,
        graph: Any,
        info: IndexInfo,
        exact_bytes: int | None = None,
    ) -> None:
        self.info = info
        self._vectors = vectors
        self._exact_bytes = EXACT_BYTES if exact_bytes is None else exact_bytes
        self._rows = rows_of(vectors)
        self._method = method(exact_part(vectors), graph, info)
        self._size = len(self._rows)
        self._live = np.flatnonzero(self._rows != GONE)
        order = np.argsort(self._rows[self._live], kind="stable")
        # Places by rising row: to find where a row lies.
        self._places = self._live[order]
        self._sorted = self._rows[self._places]
        self._unfiltered = None if len(self._live) == self._size else self._allowed(self._live)

    @classmethod
    def load(cls, directory: Path, manifest: Manifest) -> VectorIndex:
        """Raises KnowledgeBaseError where a file is missing, damaged or of another base."""
        vectors, graph = load_index(directory, manifest), load_graph(directory, manifest)
        return cls(vectors, graph, manifest.searched)

    def __len__(self) -> int:
        """How many chunks can be found."""
        return len(self._live)

    def allow(self, rows: Rows) -> Allowed:
        """These chunk rows, to search among; rows that this index does not hold are left out."""
        if not len(self._sorted):
            return self._allowed(np.empty(0, dtype=np.int64))
        at = np.minimum(np.searchsorted(self._sorted, rows), len(self._sorted) - 1)
        return self._allowed(np.sort(self._places[at[self._sorted[at] == rows]]))

    def search(self, vector: Vectors, k: int, allowed: Allowed | None = None) -> list[Hit]:
        """The k nearest, best first, by inner product with `vector` of shape (d,)."""
        among = self._unfiltered if allowed is None else allowed
        if k < 1 or not len(self) or (among is not None and not among.count):
            return []
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        with _one_thread():
            found = self._method.nearest(query, min(k, len(self)), among)
        rows = self._rows[found.places].tolist()
        hits = map(Hit, rows, found.scores.tolist())
        return sorted(hits, key=lambda hit: (-hit.score, hit.row))

    def matrix(self) -> Vectors:
        """A view of all vectors by place, tombstones too, of shape (n, d)."""
        return matrix(self._vectors)

    @property
    def live(self) -> Rows:
        """The places whose chunks are there."""
        return self._live

    @property
    def rows(self) -> Rows:
        """The chunk rows that can be found, rising."""
        return self._sorted

    def _allowed(self, places: Rows) -> Allowed:
        flags = np.zeros(self._size, dtype=bool)
        flags[places] = True
        few = len(places) * self._vectors.d * 4 <= self._exact_bytes
        per_list = None
        if isinstance(self._method, Lists) and not few:
            per_list = self._method.within(places)
        bits = np.packbits(flags, bitorder="little")
        return Allowed(len(places), bits, places if few else None, per_list)


def load_graph(directory: Path, manifest: Manifest, *, mapped: bool = True) -> Any:
    """What finds near vectors without comparing all, or None. Raises KnowledgeBaseError."""
    info = manifest.searched
    if info.kind == "flat":
        return None
    name = graph_name(manifest.generation)
    graph = read_faiss(directory, name, mapped=mapped)
    if graph.ntotal != info.vectors or graph.d != manifest.dimension:
        raise KnowledgeBaseError(
            directory, f"{name} knows {graph.ntotal} vectors, the manifest says {info.vectors}"
        )
    return graph


@contextmanager
def _one_thread() -> Iterator[None]:
    """Waking a team of threads costs many times what one query does. Holds for this thread."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
