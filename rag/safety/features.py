"""What the linear heads see of a text: its sentence embedding and hashed n-grams.

The n-grams (words, word pairs, characters within words) catch what a sentence embedding smooths
over: a slur, a spelling trick, a phrase that always means the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ingest.types import Embedder, Vectors
from rag.safety.lru import Lru

BUCKETS = 1 << 15

_WORD = re.compile(r"[^\W_]+(?:['’*@$!][^\W_]+)*|[^\w\s]")
_MAX_WORD = 24


@dataclass(frozen=True, slots=True)
class Grams:
    """Sorted bucket numbers of a text's distinct n-grams and the weight they all have."""

    buckets: npt.NDArray[np.int64]
    weight: float


def grams(text: str) -> Grams:
    """The text's n-grams, scaled so that the vector of them has unit length."""
    words = [word[:_MAX_WORD] for word in _WORD.findall(text.lower())]
    names = {f"w {word}" for word in words}
    names.update(f"p {a} {b}" for a, b in pairwise(words))
    for word in set(words):
        padded = f"<{word}>"
        names.update(f"c {padded[i : i + 4]}" for i in range(len(padded) - 3))
    buckets = np.fromiter({crc32(n.encode("utf-8", "replace")) % BUCKETS for n in names}, np.int64)
    return Grams(np.sort(buckets), 1.0 / float(np.sqrt(max(1, len(buckets)))))


class CachedVectors:
    """Sentence embeddings shared by the heads: each text is embedded once while it is in reach."""

    def __init__(self, embedder: Embedder, capacity: int = 8192) -> None:
        self._embedder = embedder
        self._cache: Lru[str, Vectors] = Lru(capacity)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), dimension)."""
        known = {text: self._cache.get(text) for text in dict.fromkeys(texts)}
        missing = [text for text, vector in known.items() if vector is None]
        if missing:
            for text, vector in zip(missing, self._embedder.embed(missing), strict=True):
                known[text] = vector
                self._cache.put(text, vector)
        found = [vector for text in texts if (vector := known[text]) is not None]
        return np.stack(found) if found else np.zeros((0, self._embedder.dimension), np.float32)

    def forget(self) -> None:
        """Drops every remembered text."""
        self._cache.clear()
