"""Scores by word added up, and the best rows of all. Pure functions over numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.types import Hit

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

# Rows of which the best alone is looked at first.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Scores:
    """Rising rows of shape (n,) and the positive scores that something gives them."""

    rows: Integers
    scores: npt.NDArray[np.float32]


NONE = Scores(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))

# Each with how many times it counts.
Said = Sequence[tuple[Scores, int]]


def best(said: Said, last: int, k: int, mask: bytes | None = None) -> list[Hit]:
    """The k rows up to `last` with the largest sums, best first, equal ones by row.

    With a mask (a byte for each row from 1 on), those alone that it has a 1 for.
    """
    sums = np.zeros((last // _BLOCK + 1) * _BLOCK)
    for item, times in said:
        # The rows of a word are all different.
        sums[item.rows] += item.scores * float(times) if times > 1 else item.scores
    if mask is not None:
        flags = np.frombuffer(mask, dtype=np.uint8)[: len(sums) - 1]
        sums[1 : len(flags) + 1] *= flags
        sums[len(flags) + 1 :] = 0.0
    rows = _largest(sums, k)
    return ranked(rows, sums[rows], k)


def _largest(sums: Numbers, k: int) -> Integers:
    """Places that include those of the k largest positive sums, and few others."""
    tops = sums.reshape(-1, _BLOCK).max(axis=1)
    # So many blocks have a sum as large as this, so nothing below it is among the k.
    floor = np.partition(tops, -k)[-k] if k < len(tops) else 0.0
    return np.flatnonzero(sums >= floor) if floor > 0 else np.flatnonzero(sums > 0)


def among(said: Said, rows: Sequence[int], k: int, mask: bytes | None = None) -> list[Hit]:
    """As `best`, of these rows alone."""
    wanted = np.unique(np.array(rows, dtype=np.int64))
    if mask is not None:
        flags = np.concatenate((np.frombuffer(mask, dtype=np.uint8), [0])).astype(bool)
        wanted = wanted[wanted > 0]
        wanted = wanted[flags[np.minimum(wanted - 1, len(flags) - 1)]]
    sums = np.zeros(len(wanted))
    for item, times in said:
        if len(item.rows):
            at = np.minimum(np.searchsorted(item.rows, wanted), len(item.rows) - 1)
            sums += np.where(item.rows[at] == wanted, item.scores[at] * float(times), 0.0)
    some = np.flatnonzero(sums)
    return ranked(wanted[some], sums[some], k)


def ranked(rows: Integers, sums: Numbers, k: int) -> list[Hit]:
    """The k best of these, best first, equal ones by row."""
    order = np.lexsort((rows, -sums))[:k]
    return list(map(Hit, rows[order].tolist(), sums[order].tolist()))
