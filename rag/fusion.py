"""The first stage's pure part: a question to its terms, two searches' scores to one ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ingest.types import Vectors
from rag.words import PART, STOP_WORDS, WORD


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with its parts and its score in [0, 1]: fused, then blended with the second stage's.

    A `linked` one was found by what a better one names, and has the score of the one it follows.
    """

    row: int
    score: float
    dense: float
    lexical: float
    rerank: float | None = None
    linked: bool = False


def query_terms(question: str, limit: int) -> list[str]:
    """Words and codes of a question for the lexical index, of at most `limit` different ones.

    A word that is said twice counts twice. Compounds are cut ("time-sharing", "Ada's"); those with
    digits are codes ("E-42", "v1.2") and stand whole as well. Of a long question the rarest-looking
    terms are kept: those with digits or capitals first, then the longer ones, in their order.
    """
    terms = [term for word in WORD.findall(question) for term in _parts(word)]
    topical = [term for term in terms if term.lower() not in STOP_WORDS]
    terms = topical or list(dict.fromkeys(terms))
    kept = dict.fromkeys(term.lower() for term in sorted(terms, key=_looks_rare, reverse=True))
    chosen = set(islice(kept, limit))
    return [term for term in terms if term.lower() in chosen]


def _parts(word: str) -> list[str]:
    parts = PART.findall(word)
    if len(parts) == 1:
        return parts
    # A letter alone says nothing but within its code.
    parts = [part for part in parts if len(part) > 1 or part.isdigit()]
    return [word, *parts] if any(c.isdigit() for c in word) or not parts else parts


def _looks_rare(term: str) -> tuple[bool, bool, int]:
    return any(c.isdigit() for c in term), any(c.isupper() for c in term), len(term)


def fuse(
    dense: Mapping[int, float], lexical: Mapping[int, float], dense_weight: float
) -> list[Scored]:
    """Weighted sum of min-max normalised scores over the rows of both, best first.

    Both mappings hold every candidate. (Bruch et al., "An Analysis of Fusion Functions for Hybrid
    Retrieval", ACM TOIS 2023: convex combination beats reciprocal rank fusion.) A lexical score of
    0 means that no term matched, so 0 is its floor.
    """
    rows = sorted(dense)
    if not rows:
        return []
    near = _min_max(np.array([dense[row] for row in rows]))
    words = np.array([lexical.get(row, 0.0) for row in rows])
    peak = words.max()
    words = words / peak if peak > 0 else words
    if peak <= 0:
        dense_weight = 1.0
    fused = dense_weight * near + (1 - dense_weight) * words
    order = sorted(range(len(rows)), key=lambda i: (-fused[i], rows[i]))
    return [
        Scored(rows[i], float(fused[i]), dense[rows[i]], lexical.get(rows[i], 0.0)) for i in order
    ]


def _min_max(scores: Vectors) -> Vectors:
    low, high = scores.min(), scores.max()
    scaled: Vectors = (scores - low) / (high - low) if high > low else np.ones_like(scores)
    return scaled
