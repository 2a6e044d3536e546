"""Hybrid search as it is put together by hand: bm25s and a flat FAISS index, ranks fused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import bm25s

from evals.bench.peers.flat import Dense
from ingest.types import Embedder

RANK_CONSTANT = 60


class Words:
    """bm25s with its English stop words."""

    def __init__(self, texts: Sequence[str]) -> None:
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        self._size = len(texts)
        self._index: Any = bm25s.BM25()
        self._index.index(bm25s.tokenize(list(texts), show_progress=False), show_progress=False)

    def search(self, query: str, k: int) -> list[int]:
        words = bm25s.tokenize(query, show_progress=False, return_ids=False)
        found, scores = self._index.retrieve(words, k=min(k, self._size), show_progress=False)
        return [int(r) for r, score in zip(found[0], scores[0], strict=True) if score > 0]


def reciprocal_ranks(rankings: Sequence[Sequence[int]], top: int) -> list[int]:
    """Reciprocal rank fusion (Cormack et al., SIGIR 2009)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row] = scores.get(row, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores, key=lambda row: (-scores[row], row))[:top]


class Hybrid:
    """Both searches, `candidates` of each, fused."""

    def __init__(self, dense: Dense, words: Words, embedder: Embedder, candidates: int) -> None:
        self._dense = dense
        self._words = words
        self._embedder = embedder
        self._candidates = candidates

    def search(self, query: str, top: int) -> list[int]:
        near = self._dense.search(self._embedder.embed([query])[0], self._candidates)
        return reciprocal_ranks([near, self._words.search(query, self._candidates)], top)
