"""Ways to find the nearest vectors: comparing all, a walk through an HNSW graph, inverted lists.

A graph and lists only propose; what is scored are the exact vectors, and where they cannot propose
enough that the asker may see, all such are compared. Places count from 0 in the vector file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ingest.types import IndexInfo, Vectors
from ingest.vectors import Rows, faiss

Bits = npt.NDArray[np.uint8]

# A wider ball, or more hits, than this and comparing all costs no more.
WIDEST = 1024
# What each step of a walk through a graph costs, in vectors compared one after the other.
STEP = 32
_SPARE = 2
# A walk goes at least so many times as far as it has hits to find.
_REACH = 4
_RERANKED = 4
_HITS_A_PROBE = 50
# With a filter the nearest are spread over more lists than where all is allowed.
_FILTERED = 4


@dataclass(frozen=True, slots=True)
class Allowed:
    """Places that an asker may see: a bit for each; the places themselves where they are few."""

    count: int
    bits: Bits
    places: Rows | None
    per_list: Rows | None = None

    def has(self, places: Rows) -> npt.NDArray[np.bool_]:
        """Which of these places are allowed."""
        allowed: npt.NDArray[np.bool_] = (self.bits[places >> 3] >> (places & 7) & 1).astype(bool)
        return allowed


@dataclass(frozen=True, slots=True)
class Found:
    """Places and their exact scores, best first."""

    places: Rows
    scores: Vectors


class Method(Protocol):
    """A way to find the k places nearest to a query of shape (1, d), allowed ones only."""

    def nearest(self, query: Vectors, k: int, allowed: Allowed | None) -> Found: ...


class Exact:
    """Compares everything, or everything that is allowed."""

    def __init__(self, flat: Any) -> None:
        self._flat = flat

    def nearest(self, query: Vectors, k: int, allowed: Allowed | None) -> Found:
        if allowed is None:
            return self._search(query, k, None)
        if allowed.places is not None:
            return self.among(query, k, allowed.places)
        return self._search(query, k, faiss.IDSelectorBitmap(allowed.bits))

    def among(self, query: Vectors, k: int, places: Rows) -> Found:
        """The k best of these places; the cost is theirs alone."""
        return self._search(query, min(k, len(places)), faiss.IDSelectorArray(places))

    def _search(self, query: Vectors, k: int, selector: Any) -> Found:
        k = min(k, self._flat.ntotal)
        if k < 1:
            return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        # The selector keeps a name: FAISS holds no reference to it.
        parameters = None if selector is None else faiss.SearchParameters(sel=selector)
        scores, places = self._flat.search(query, k, params=parameters)
        return _present(places[0], scores[0])


class Hnsw:
    """A walk through a graph of near neighbours (Malkov and Yashunin, arXiv:1603.09320).

    Where not all is allowed, the ball around the query is made so wide that it should hold twice
    the k: what lies outside it is farther than all inside. A ball with fewer answers nothing.
    """

    def __init__(self, graph: Any, exact: Exact, reach: int) -> None:
        self._graph = graph
        self._exact = exact
        self._reach = reach

    def nearest(self, query: Vectors, k: int, allowed: Allowed | None) -> Found:
        total = self._graph.ntotal
        count = total if allowed is None else allowed.count
        ball = k if allowed is None else -(-_SPARE * k * total // count)
        reach = max(self._reach, _REACH * k, _SPARE * ball)
        few = allowed is not None and allowed.places is not None
        if few or ball > WIDEST or reach * STEP >= count:
            return self._exact.nearest(query, k, allowed)
        found = self._ball(query, k, reach, allowed)
        if len(found.places) < min(k, count):
            return self._exact.nearest(query, k, allowed)
        return Found(found.places[:k], found.scores[:k])

    def _ball(self, query: Vectors, k: int, reach: int, allowed: Allowed | None) -> Found:
        # The outer half of what a walk reaches is not to be relied upon.
        count = k if allowed is None else reach // _SPARE
        parameters = faiss.SearchParametersHNSW(efSearch=reach)
        scores, places = self._graph.search(query, count, params=parameters)
        found = _present(places[0], scores[0])
        if allowed is None:
            return found
        keep = allowed.has(found.places)
        return Found(found.places[keep], found.scores[keep])


class Lists:
    """Quantized vectors in lists by nearest centroid (IVF); the best are compared exactly.

    Where not all is allowed, lists are taken in order of nearness, those without any allowed place
    skipped, until several times as many allowed vectors are looked at as without a filter.
    """

    def __init__(self, lists: Any, exact: Exact, probes: int) -> None:
        self._lists = lists
        self._exact = exact
        self._probes = probes

    def within(self, places: Rows) -> Rows:
        """How many of these places each list holds, of shape (lists,)."""
        counts: Rows = np.bincount(self._list_of[places], minlength=self._lists.nlist)
        return counts

    @cached_property
    def _list_of(self) -> npt.NDArray[np.int32]:
        """The list in which each place lies."""
        owners = np.zeros(self._lists.ntotal, dtype=np.int32)
        inside = self._lists.invlists
        for number in range(self._lists.nlist):
            if size := inside.list_size(number):
                owners[faiss.rev_swig_ptr(inside.get_ids(number), size)] = number
        return owners

    def nearest(self, query: Vectors, k: int, allowed: Allowed | None) -> Found:
        if k > WIDEST or (allowed is not None and allowed.places is not None):
            return self._exact.nearest(query, k, allowed)
        places = self._proposed(query, _RERANKED * k, allowed)
        if len(places) < min(k, self._lists.ntotal if allowed is None else allowed.count):
            return self._exact.nearest(query, k, allowed)
        return self._exact.among(query, k, places)

    def _proposed(self, query: Vectors, count: int, allowed: Allowed | None) -> Rows:
        selector = None if allowed is None else faiss.IDSelectorBitmap(allowed.bits)
        near, numbers = self._near_lists(query, count, allowed)
        parameters = faiss.SearchParametersIVF(nprobe=numbers.shape[1], sel=selector)
        scores = np.empty((1, count), dtype=np.float32)
        places = np.empty((1, count), dtype=np.int64)
        # FAISS's Python wrapper takes no parameters here; the function below it does.
        self._lists.search_preassigned_c(
            1, faiss.swig_ptr(query), count, faiss.swig_ptr(numbers), faiss.swig_ptr(near),
            faiss.swig_ptr(scores), faiss.swig_ptr(places), False, parameters,
        )  # fmt: skip
        return _present(places[0], scores[0]).places

    def _near_lists(
        self, query: Vectors, count: int, allowed: Allowed | None
    ) -> tuple[Vectors, Rows]:
        """Scores and numbers of the lists to look into, each of shape (1, probes)."""
        lists = self._lists
        if allowed is None or allowed.per_list is None:
            # Probes were measured with ten hits; more lie in more lists.
            probes = self._probes * -(-count // (_RERANKED * _HITS_A_PROBE))
            near, numbers = lists.quantizer.search(query, min(probes, lists.nlist))
            return near, numbers
        near, numbers = lists.quantizer.search(query, lists.nlist)
        inside = allowed.per_list[numbers[0]]
        enough = max(count, _FILTERED * self._probes * lists.ntotal // lists.nlist)
        last = int(np.searchsorted(np.cumsum(inside), enough)) + 1
        keep = np.flatnonzero(inside[:last])
        return np.ascontiguousarray(near[:, keep]), np.ascontiguousarray(numbers[:, keep])


def method(flat: Any, graph: Any, info: IndexInfo) -> Method:
    exact = Exact(flat)
    if info.kind == "hnsw":
        # The graph's file holds no vectors: it walks over those of the exact part.
        graph.storage, graph.own_fields = flat, False
        return Hnsw(graph, exact, info.parameters["ef_search"])
    if info.kind == "ivf":
        return Lists(graph, exact, info.parameters["probes"])
    return exact


def _present(places: Rows, scores: Vectors) -> Found:
    # FAISS fills what it did not find with -1.
    keep = places >= 0
    return Found(places[keep], scores[keep])
