"""Question to passages: dense and lexical search, fused by normalised scores, groups inside both.

`fuse` and `query_terms` are pure. `Retriever` is a langchain-core `BaseRetriever` through
`rag.interop`; here nothing of langchain is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from ingest.sentences import split_sentences
from ingest.types import Embedder, Hit, StoredChunk, Vectors
from rag.collapse import Place, collapse, crowded
from rag.config import RetrieveConfig
from rag.errors import ConfigError
from rag.types import Passage
from rag.words import PART, STOP_WORDS, WORD

if TYPE_CHECKING:
    from ingest.conditions import Where


class Searches(Protocol):
    """Both ways of searching."""

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]: ...

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: frozenset[str],
        rows: Sequence[int] | None = None,
    ) -> list[Hit]: ...


class Index(Searches, Protocol):
    """The part of a knowledge base that retrieval needs."""

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]: ...

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]: ...

    def families(self, rows: Sequence[int]) -> Mapping[int, int]: ...


@runtime_checkable
class Filters(Protocol):
    """An index that can be searched among the chunks of which every condition holds."""

    def among(self, where: Where) -> Searches: ...


@runtime_checkable
class Beside(Protocol):
    """An index that knows what stands before and after a chunk."""

    def neighbours(self, row: int) -> tuple[int | None, int | None]: ...

    def document_text(self, document: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with its parts and its fused score in [0, 1]."""

    row: int
    score: float
    dense: float
    lexical: float


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


class Retriever:
    """Finds the passages for a question that its asker may see."""

    def __init__(self, index: Index, embedder: Embedder, config: RetrieveConfig) -> None:
        self._index = index
        self._embedder = embedder
        self._config = config

    def retrieve(
        self,
        question: str,
        groups: frozenset[str] = frozenset(),
        top: int | None = None,
        where: Where = (),
    ) -> list[Passage]:
        """At most `top` passages, best first. Documents outside `groups` are never candidates.

        Neither is a chunk of which a condition of `where` does not hold. Raises ConfigError for
        conditions on an index that takes none, UnknownKey for one on what no document has.

        Near-duplicates share one place: the newest is shown where the best is dated, else the
        best, and the others are named. Only candidates are named, so nobody's hidden twin is.
        """
        top = self._config.top if top is None else top
        wanted = max(top, self._config.candidates)
        searches = self._among(where)
        vector = self._embedder.embed([question])[0]
        near = {hit.row: hit.score for hit in searches.dense(vector, wanted, groups)}
        terms = query_terms(question, self._config.max_terms)
        words = {hit.row: hit.score for hit in searches.lexical(terms, wanted, groups)}
        self._complete(vector, terms, groups, near, words)
        scored = {item.row: item for item in fuse(near, words, self._config.dense_weight)}
        best = self._places(list(scored))[:top]
        chunks = self._widened(self._index.chunks([place.row for place in best]))
        return [
            _passage(rank, place, scored, chunk)
            for rank, (place, chunk) in enumerate(zip(best, chunks, strict=True), start=1)
        ]

    def _among(self, where: Where) -> Searches:
        if not where:
            return self._index
        if not isinstance(self._index, Filters):
            raise ConfigError("where", "this index can't be searched by conditions")
        return self._index.among(where)

    def _places(self, rows: list[int]) -> list[Place]:
        families = self._index.families(rows)
        twins = crowded(rows, families)
        chunks = dict(zip(twins, self._index.chunks(twins), strict=True)) if twins else {}
        return collapse(rows, families, chunks)

    def _widened(self, chunks: list[StoredChunk]) -> list[StoredChunk]:
        """The chunks with sentences beside them, the best first; nothing is shown twice."""
        if not self._config.widen or not isinstance(self._index, Beside):
            return chunks
        wide = list(chunks)
        for at, chunk in enumerate(chunks):
            start, end = (self._edge(self._index, chunk, side, wide) for side in (0, 1))
            if (start, end) != (chunk.start, chunk.end):
                text = self._index.document_text(chunk.document)[start:end]
                wide[at] = replace(chunk, start=start, end=end, text=text)
        return wide

    def _edge(self, beside: Beside, chunk: StoredChunk, side: int, shown: list[StoredChunk]) -> int:
        """How far a chunk may be widened before (0) or after (1) it, under its heading and page."""
        edge = origin = (chunk.start, chunk.end)[side]
        row = beside.neighbours(chunk.row)[side]
        while row is not None:
            other = self._index.chunks([row])[0]
            apart = (other.headings, other.page) != (chunk.headings, chunk.page)
            if apart or any(_overlap(other, item) for item in shown):
                break
            spans = split_sentences(other.text)
            for span in spans if side else reversed(spans):
                reached = other.start + span[side]
                if abs(reached - origin) > self._config.widen:
                    return edge
                edge = reached
            row = beside.neighbours(row)[side]
        return edge

    def _complete(
        self,
        vector: Vectors,
        terms: list[str],
        groups: frozenset[str],
        near: dict[int, float],
        words: dict[int, float],
    ) -> None:
        """Score what only one search found by the other too: absent is not the same as zero."""
        unseen = [row for row in words if row not in near]
        near.update(zip(unseen, self._index.similarity(vector, unseen), strict=True))
        missing = [row for row in near if row not in words]
        if terms and missing:
            found = self._index.lexical(terms, len(missing), groups, rows=missing)
            words.update({hit.row: hit.score for hit in found})


def _overlap(one: StoredChunk, other: StoredChunk) -> bool:
    return one.document == other.document and one.start < other.end and other.start < one.end


def _passage(rank: int, place: Place, scored: Mapping[int, Scored], chunk: StoredChunk) -> Passage:
    return Passage(
        rank=rank,
        score=round(scored[place.found].score, 6),
        dense=round(scored[place.row].dense, 6),
        lexical=round(scored[place.row].lexical, 6),
        document=chunk.document,
        path=chunk.path,
        title=chunk.title,
        headings=chunk.headings,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        groups=chunk.groups,
        also=place.also,
    )
