"""What the linear heads see of a text: its sentence embedding and hashed n-grams.

The n-grams (words, word pairs, characters within words) catch what a sentence embedding smooths
over: a slur, a spelling trick, a phrase that always means the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ingest.embed import CachedEmbedder
from ingest.encoders.layers import VIEWS
from ingest.types import Embedder, Vectors
from rag.errors import FilterError
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


@runtime_checkable
class Layered(Protocol):
    """An embedder that tells more of a text than its vector; see ingest.encoders.layers."""

    def layers(self, texts: Sequence[str]) -> Vectors: ...


class CachedVectors:
    """What the heads see of texts: each text is embedded once for all while it is in reach."""

    def __init__(self, embedder: Embedder, capacity: int = 4096) -> None:
        self._embedder = embedder
        inner = embedder.inner if isinstance(embedder, CachedEmbedder) else embedder
        self._layered = inner if isinstance(inner, Layered) else None
        self._cache: Lru[str, Vectors] = Lru(capacity)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), dimension)."""
        return self._rows(texts)[:, : self._embedder.dimension]

    def layers(self, texts: Sequence[str]) -> Vectors:
        """The same and what other layers say, shape (len(texts), VIEWS * dimension).

        Raises FilterError where the embedder tells no more than its vectors.
        """
        if self._layered is None:
            raise FilterError("features", f"embedder {self._embedder.name} shows one layer only")
        return self._rows(texts)

    def seen_by(self, views: int) -> Callable[[Sequence[str]], Vectors]:
        """What heads of so many views are to read."""
        return self.layers if views > 1 else self

    def _rows(self, texts: Sequence[str]) -> Vectors:
        known = {text: self._cache.get(text) for text in dict.fromkeys(texts)}
        missing = [text for text, row in known.items() if row is None]
        if missing:
            for text, row in zip(missing, self._embed(missing), strict=True):
                known[text] = row
                self._cache.put(text, row)
        found = [row for text in texts if (row := known[text]) is not None]
        return np.stack(found) if found else np.zeros((0, self._width), np.float32)

    @property
    def _width(self) -> int:
        return self._embedder.dimension * (VIEWS if self._layered else 1)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return self._layered.layers(texts) if self._layered else self._embedder.embed(texts)

    def forget(self) -> None:
        """Drops every remembered text."""
        self._cache.clear()
