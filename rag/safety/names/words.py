"""Words of a text, and the rows of the hash tables that stand for each.

Four views of a word (its normal form, first letter, last three letters and shape) are hashed to
four rows a table, as spaCy's MultiHashEmbed does (Serra and Karatzoglou 2017, hash embeddings).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rag.safety.lean import spacy

if TYPE_CHECKING:
    from spacy.tokens import Doc

VIEWS = ("NORM", "PREFIX", "SUFFIX", "SHAPE")
TABLES = (5000, 1000, 2500, 2500)
SEEDS = (8, 9, 10, 11)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """n words: `keys` (n, 4) the hashes of their views, `starts` and `ends` their characters."""

    keys: npt.NDArray[np.uint64]
    starts: Ints
    ends: Ints

    def __len__(self) -> int:
        return len(self.starts)


class Splitter:
    """Splits English-like text into words. It holds no model: the rules come with the library."""

    def __init__(self) -> None:
        self._nlp = spacy.blank("en")

    def split(self, text: str) -> Words:
        doc: Doc = self._nlp.make_doc(text)
        table = doc.to_array(["IDX", "LENGTH", *VIEWS]).astype(np.uint64)
        starts = table[:, 0].astype(np.int64)
        return Words(table[:, 2:], starts, starts + table[:, 1].astype(np.int64))


def rows(keys: npt.NDArray[np.uint64]) -> Ints:
    """Table rows, shape (n, 4 views, 4): four for each view, counted through all tables."""
    from thinc.api import NumpyOps

    ops = NumpyOps()
    offset, picked = 0, []
    for view, (size, seed) in enumerate(zip(TABLES, SEEDS, strict=True)):
        column = np.ascontiguousarray(keys[:, view], dtype=np.uint64)
        picked.append(ops.hash(column, seed).astype(np.int64) % size + offset)
        offset += size
    return np.stack(picked, axis=1)
