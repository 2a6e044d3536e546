"""Fakes that ship, so that any room's tests (and yours) run without a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ingest.types import Hit, StoredChunk, Vectors

_TOKENS = re.compile(r"\w+|[^\w\s]")


class HashEmbedder:
    """Each word seeds a random direction by its hash; a text is the unit sum of its words.

    Deterministic everywhere; texts that share words are near each other. `batches` counts calls.
    """

    def __init__(self, dimension: int = 32, name: str = "hash") -> None:
        self._dimension = dimension
        self._name = name
        self.batches = 0
        self.embedded = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self._name}/{self._dimension}".encode()).hexdigest()

    @property
    def dimension(self) -> int:
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (n, dimension), float32."""
        self.batches += 1
        self.embedded += len(texts)
        found = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in _TOKENS.findall(text.lower()) or [text]:
                found[row] += _direction(word, self._dimension)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.maximum(norms, 1e-9), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and punctuation marks."""
        return [len(_TOKENS.findall(text)) for text in texts]


class ListIndex:
    """A knowledge base in memory: chunk n is all of document dn, from its character 100 on.

    It finds by meaning alone, and everything is open to all.
    """

    def __init__(self, embedder: HashEmbedder, texts: Sequence[str]) -> None:
        self.texts = texts
        self.vectors = embedder.embed(texts)

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]:
        """The `k` nearest chunks to a unit vector of shape (dimension,)."""
        del groups
        hits = [Hit(row, float(self.vectors[row] @ vector)) for row in range(len(self.texts))]
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: frozenset[str],
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        """Nothing."""
        del terms, k, groups, rows
        return []

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        """Cosines, in the order of `rows`."""
        return [float(self.vectors[row] @ vector) for row in rows]

    def families(self, rows: Sequence[int]) -> dict[int, int]:
        """No two are alike."""
        del rows
        return {}

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]:
        """In the order of `rows`."""
        return [
            StoredChunk(
                row,
                f"c{row}",
                f"d{row}",
                f"/kb/d{row}.md",
                f"Title {row}",
                100,
                100 + len(self.texts[row]),
                self.texts[row],
                (),
                row + 1,
                frozenset(),
            )
            for row in rows
        ]


@lru_cache(maxsize=65536)
def _direction(word: str, dimension: int) -> Vectors:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.asarray(np.random.default_rng(seed).standard_normal(dimension), dtype=np.float32)
