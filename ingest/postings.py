"""Postings: in which rows terms are and how often, as blobs that numpy reads without a loop.

A list of rows is stored as the steps from one to the next, the first of them from the first row
of its segment; steps and weights as numbers of 1, 2 or 4 bytes, whichever hold the largest.
Weights count each time that a term is said twice, so that one and a half are a whole number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_WIDTHS = (1, 2, 4)


class DamagedPostings(sqlite3.DatabaseError):
    """A list is not what was written."""

    def __init__(self) -> None:
        super().__init__("postings are damaged")


@dataclass(frozen=True, slots=True)
class Stored:
    """One list as it lies in a segment, whose first row is `first`."""

    first: int
    count: int
    rows: bytes
    weights: bytes


@dataclass(frozen=True, slots=True)
class Postings:
    """Lists one after the other: `counts` of shape (lists,), rows and weights of shape (n,).

    The rows of a list rise. Weights are twice the frequencies.
    """

    counts: Integers
    rows: Integers
    weights: Integers

    @property
    def starts(self) -> Integers:
        """Where each list begins."""
        return np.cumsum(self.counts) - self.counts

    def kept(self, keep: npt.NDArray[np.bool_]) -> Postings:
        """Those postings of which `keep` of shape (n,) is true; lists may become empty."""
        upto = np.concatenate(([0], np.cumsum(keep)))
        starts = self.starts
        counts = upto[starts + self.counts] - upto[starts]
        return Postings(counts, self.rows[keep], self.weights[keep])

    def joined(self, owners: Integers, count: int) -> Postings:
        """Neighbouring lists of one owner as one; `owners` of shape (lists,) rise below `count`."""
        counts = np.zeros(count, dtype=np.int64)
        np.add.at(counts, owners, self.counts)
        return Postings(counts, self.rows, self.weights)


def encoded(postings: Postings, first: int) -> Iterator[Stored]:
    """Lists as they are stored in a segment that begins with row `first`. None may be empty."""
    starts, ends = postings.starts, np.cumsum(postings.counts)
    steps = np.diff(postings.rows, prepend=first)
    steps[starts] = postings.rows[starts] - first
    places = starts.tolist(), ends.tolist()
    rows = _blobs(steps, starts, *places)
    weights = _blobs(postings.weights, starts, *places)
    for count, *blobs in zip(postings.counts.tolist(), rows, weights, strict=True):
        yield Stored(first, count, *blobs)


def _blobs(
    numbers: Integers, starts: Integers, begin: Sequence[int], end: Sequence[int]
) -> list[bytes]:
    largest = np.maximum.reduceat(numbers, starts)
    widths = np.where(largest < 1 << 8, 1, np.where(largest < 1 << 16, 2, 4)).tolist()
    # All numbers at each width that is needed, too large ones cut: those are in another.
    whole = {width: numbers.astype(f"<u{width}").tobytes() for width in set(widths)}
    return [
        whole[width][at * width : to * width]
        for width, at, to in zip(widths, begin, end, strict=True)
    ]


def decoded(lists: Sequence[Stored]) -> Postings:
    """Lists as they were before `encoded`. Raises DamagedPostings."""
    counts = np.array([item.count for item in lists], dtype=np.int64)
    steps = _numbers([item.rows for item in lists], counts)
    weights = _numbers([item.weights for item in lists], counts)
    firsts = np.array([item.first for item in lists], dtype=np.int64)
    upto = np.cumsum(steps, out=steps)
    before = np.concatenate(([0], upto))[np.cumsum(counts) - counts]
    upto += np.repeat(firsts - before, counts)
    return Postings(counts, upto, weights)


def _numbers(blobs: Sequence[bytes], counts: Integers) -> Integers:
    found = np.empty(int(counts.sum()), dtype=np.int64)
    at = 0
    for blob, count in zip(blobs, counts.tolist(), strict=True):
        width = len(blob) // count if count > 0 else 0
        if width not in _WIDTHS or len(blob) != width * count:
            raise DamagedPostings
        found[at : at + count] = np.frombuffer(blob, dtype=f"<u{width}")
        at += count
    return found
