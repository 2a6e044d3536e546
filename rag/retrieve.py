"""Question to passages: dense and lexical search, fused by normalised scores, groups inside both.

The pure parts are in rag/fusion.py, rag/links.py and rag/collapse.py. `Retriever` is a
langchain-core `BaseRetriever` through `rag.interop`; here nothing of langchain is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from ingest.sentences import split_sentences
from ingest.types import Embedder, Hit, StoredChunk, Vectors
from rag.collapse import Place, collapse, crowded
from rag.config import RetrieveConfig
from rag.errors import ConfigError
from rag.fusion import Scored, fuse, query_terms
from rag.links import inserted, new_names, says, turns
from rag.rerank import Reranker, blended
from rag.types import Passage

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


# The best passages that names are taken from, and those that what they lead to stands after.
LINK_FROM, LINK_AFTER = 2, 3
# Of each search by names, those that may be what is looked for.
LINK_DEPTH = 6


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
class _Search:
    """What is searched for, where, and for whom."""

    searches: Searches
    groups: frozenset[str]
    vector: Vectors
    terms: list[str]


class Retriever:
    """Finds the passages for a question that its asker may see."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        config: RetrieveConfig,
        reranker: Reranker | None = None,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._config = config
        self._reranker = reranker

    @property
    def index(self) -> Index:
        """What it searches."""
        return self._index

    def retrieve(
        self,
        question: str,
        groups: frozenset[str] = frozenset(),
        top: int | None = None,
        where: Where = (),
        topic: str = "",
    ) -> list[Passage]:
        """At most `top` passages, best first. Documents outside `groups` are never candidates.

        Neither is a chunk of which a condition of `where` does not hold. Raises ConfigError for
        conditions on an index that takes none, UnknownKey for one on what no document has.

        `topic` are words of the conversation; the question counts `config.lead` times as much.

        Near-duplicates share one place: the newest is shown where the best is dated, else the
        best, and the others are named. Only candidates are named, so nobody's hidden twin is.
        """
        top = self._config.top if top is None else top
        wanted = max(top, self._config.candidates)
        search = _Search(self._among(where), groups, *self._asked(question, topic))
        ranked = self._reranked(question, self._ranked(search, wanted))
        scored = {item.row: item for item in self._linked(question, search, ranked)}
        best = self._places(list(scored))[:top]
        chunks = self._widened(self._index.chunks([place.row for place in best]))
        return [
            _passage(rank, place, scored, chunk)
            for rank, (place, chunk) in enumerate(zip(best, chunks, strict=True), start=1)
        ]

    def _ranked(self, search: _Search, wanted: int) -> list[Scored]:
        """The first stage: `wanted` candidates of each search, fused, best first."""
        searches, groups = search.searches, search.groups
        near = {hit.row: hit.score for hit in searches.dense(search.vector, wanted, groups)}
        words = {hit.row: hit.score for hit in searches.lexical(search.terms, wanted, groups)}
        self._complete(search, near, words)
        return fuse(near, words, self._config.dense_weight)

    def _reranked(self, question: str, ranked: list[Scored]) -> list[Scored]:
        """The second stage on the best of the first, which keep the places before all others."""
        head = ranked[: self._config.rerank_top]
        if self._reranker is None or not head:
            return ranked
        texts = [_whole(chunk) for chunk in self._index.chunks([item.row for item in head])]
        second = list(self._reranker.scores(question, texts))
        scores = blended([item.score for item in head], second, self._config.rerank_weight)
        parts = zip(head, scores, second, strict=True)
        again = [replace(item, score=score, rerank=part) for item, score, part in parts]
        again.sort(key=lambda item: (-item.score, item.row))
        return [*again, *ranked[len(head) :]]

    def _linked(self, question: str, search: _Search, ranked: list[Scored]) -> list[Scored]:
        """With what the best passages lead on to put after the best few (see rag/links.py)."""
        if not self._config.links or not ranked:
            return ranked
        best = self._index.chunks([item.row for item in ranked[:LINK_AFTER]])
        named = [new_names(question, chunk.title, chunk.text) for chunk in best[:LINK_FROM]]
        rankings = [
            self._ranked(replace(search, vector=vector, terms=terms), self._config.candidates)
            for vector, terms in (
                self._asked(" ".join([question, *names]), "") for names in named if names
            )
        ]
        rows = turns([[item.row for item in found[:LINK_DEPTH]] for found in rankings])
        every = [name for names in named for name in names]
        shown = {chunk.document for chunk in best}
        new: dict[str, int] = {}
        for chunk in self._index.chunks(rows):
            if chunk.document not in shown and says(_whole(chunk), every):
                new.setdefault(chunk.document, chunk.row)
        return self._inserted(search, ranked, list(new.values())[: self._config.links])

    def _inserted(self, search: _Search, ranked: list[Scored], rows: list[int]) -> list[Scored]:
        """The ranking with these rows after the best few, their parts as for the question."""
        near = dict(zip(rows, self._index.similarity(search.vector, rows), strict=True))
        words: dict[int, float] = {}
        self._complete(search, near, words)
        score = ranked[:LINK_AFTER][-1].score
        known = {item.row: item for item in ranked}
        known |= {
            row: Scored(row, score, near[row], words.get(row, 0.0), linked=True) for row in rows
        }
        order = inserted([item.row for item in ranked], rows, LINK_AFTER)
        return [known[row] for row in order]

    def _asked(self, question: str, topic: str) -> tuple[Vectors, list[str]]:
        """What is searched for, as a unit vector and as terms.

        Texts are embedded one by one: in a batch the last bits depend on the others.
        """
        lead, most = self._config.lead, self._config.max_terms
        vector: Vectors = self._embedder.embed([question])[0]
        if not topic:
            return vector, query_terms(question, most)
        vector = lead * vector + self._embedder.embed([topic])[0]
        length = float(np.linalg.norm(vector))
        terms = query_terms(" ".join([*[question] * lead, topic]), most)
        return (vector / length if length else vector), terms

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
        search: _Search,
        near: dict[int, float],
        words: dict[int, float],
    ) -> None:
        """Score what only one search found by the other too: absent is not the same as zero."""
        unseen = [row for row in words if row not in near]
        near.update(zip(unseen, self._index.similarity(search.vector, unseen), strict=True))
        missing = [row for row in near if row not in words]
        if search.terms and missing:
            found = self._index.lexical(search.terms, len(missing), search.groups, rows=missing)
            words.update({hit.row: hit.score for hit in found})


def _whole(chunk: StoredChunk) -> str:
    """A chunk as the second stage reads it."""
    return f"{chunk.title}\n{chunk.text}" if chunk.title else chunk.text


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
        older=place.older,
        rerank=None if (score := scored[place.row].rerank) is None else round(score, 6),
        linked=scored[place.found].linked,
    )
