"""BM25 as FTS5 computes it, over all rows at once, and how often a phrase is said by its score.

(Robertson, Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009; constants and
the least weight of a word are those of FTS5, ext/fts5/fts5_aux.c, which sets no option for them.)
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

# Of title, headings and text.
WEIGHTS = (2.0, 1.5, 1.0)
SCORE = f"bm25(lexical, {', '.join(map(str, WEIGHTS))})"
# As whole numbers.
DOUBLED = tuple(int(2 * weight) for weight in WEIGHTS)

_K1, _B, _LEAST_IDF = 1.2, 0.75, 1e-6


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows there are, and how many words a row has on average."""

    rows: int
    length: float

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Totals:
        """Those of FTS5's index, read from where it keeps them: its averages are record 1."""
        (block,) = connection.execute("SELECT block FROM lexical_data WHERE id = 1").fetchone()
        rows, *words = _varints(block)
        return cls(rows, sum(words) / max(1, rows))

    def idf(self, count: int) -> float:
        """The weight of what is in `count` rows."""
        found = math.log((self.rows - count + 0.5) / (count + 0.5)) if count <= self.rows else 0.0
        return found if found > 0 else _LEAST_IDF

    def norms(self, lengths: npt.NDArray[np.int64]) -> Numbers:
        """What a row's length, in words, adds to the frequencies it is compared with."""
        return np.asarray(_K1 * (1 - _B + _B / max(self.length, 1e-9) * lengths), dtype=np.float64)


def share(frequencies: Numbers, norms: Numbers) -> Numbers:
    """What part of its weight a phrase gives to rows where it is so frequent."""
    return frequencies * (_K1 + 1) / (frequencies + norms)


def frequencies(shares: Numbers, norms: Numbers) -> Numbers:
    """The reverse of `share`, to the nearest half: weights are no finer."""
    return np.round(2 * shares * norms / (_K1 + 1 - shares)) / 2


def _varints(block: bytes) -> Iterator[int]:
    """SQLite's variable-length numbers: seven bits a byte, the high bit says that more follow."""
    value, length = 0, 0
    for byte in block:
        length += 1
        # The ninth byte of a number has eight.
        value = value << 8 | byte if length == 9 else value << 7 | byte & 0x7F
        if byte < 0x80 or length == 9:
            yield value
            value, length = 0, 0
