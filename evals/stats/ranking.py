"""Measures of one ranking against the relevant documents, as trec_eval has them. Pure.

A document counts at its first place only. Without a relevant one there is nothing to measure: None.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def ndcg_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float | None:
    """Gain over the best possible, discounted by log2(rank + 1) (Jarvelin and Kekalainen 2002)."""
    wanted = frozenset(relevant)
    if not wanted:
        return None
    best = math.fsum(_discount(rank) for rank in range(1, min(k, len(wanted)) + 1))
    return math.fsum(_discount(rank) for rank in _ranks(ranked, wanted, k)) / best


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float | None:
    """Share of the relevant among the first k."""
    wanted = frozenset(relevant)
    return len(_ranks(ranked, wanted, k)) / len(wanted) if wanted else None


def mrr_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float | None:
    """1 / rank of the first relevant among the first k, or 0."""
    wanted = frozenset(relevant)
    ranks = _ranks(ranked, wanted, k)
    return (1 / ranks[0] if ranks else 0.0) if wanted else None


def _ranks(ranked: Sequence[str], wanted: frozenset[str], k: int) -> list[int]:
    """Ranks, from 1, of the relevant among the first k."""
    first = list(dict.fromkeys(ranked))[:k]
    return [rank for rank, document in enumerate(first, start=1) if document in wanted]


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
