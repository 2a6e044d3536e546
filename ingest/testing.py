"""Fakes that ship, so that any room's tests (and yours) run without a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ingest.types import Vectors

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


@lru_cache(maxsize=65536)
def _direction(word: str, dimension: int) -> Vectors:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.asarray(np.random.default_rng(seed).standard_normal(dimension), dtype=np.float32)
