"""A flat FAISS index, searched exactly."""

from __future__ import annotations

from typing import Any

import faiss

from ingest.types import Vectors


class Dense:
    """The nearest texts by inner product, exactly."""

    def __init__(self, vectors: Vectors) -> None:
        self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, vector: Vectors, k: int) -> list[int]:
        _, found = self._index.search(vector.reshape(1, -1), min(k, self._index.ntotal))
        return [int(row) for row in found[0]]
