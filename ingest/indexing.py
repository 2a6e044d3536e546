"""Making a generation's index: which kind, from nothing or onto the one before, and how good it is.

Below a size where comparing everything takes 5 ms on one core (measured: 384 numbers a vector, one
thread) nothing is better than that. Then a graph answers fastest; it costs a millisecond a vector
to build, and half as much memory again as the vectors, so lists of quantized vectors follow it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ingest.index import VectorIndex
from ingest.types import IndexChoice, IndexInfo, IndexKind, Vectors
from ingest.vectors import Rows, faiss, matrix

_LOG = logging.getLogger(__name__)

_LINKS = 16
_EF_CONSTRUCTION = 80
_EF_SEARCH, _EF_MOST = 64, 1024
_PROBES = 8
_TRAINED_ON = 40
_BLOCK = 16384
_AT = 10
_TURN = 0.6
_ROUNDING = 1e-6
_GROWN = 2


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """`choice` None keeps what was asked for last. Exact search up to `flat_bytes` of vectors.

    `hnsw_vectors` bounds a graph, which may take a quarter of `memory` bytes (None: all there is).
    Recall@10 is measured with `queries` questions and widened to reach `target`. Where more than
    `dead_share` of the places are tombstones, or with `compact`, all is built anew.
    """

    choice: IndexChoice | None = None
    flat_bytes: int = 64 * 2**20
    hnsw_vectors: int = 200_000
    memory: int | None = None
    target: float = 0.97
    queries: int = 256
    dead_share: float = 0.2
    compact: bool = False

    def kind(self, choice: IndexChoice, vectors: int, dimension: int) -> IndexKind:
        """The kind of index for so many vectors."""
        if vectors == 0:
            return "flat"
        if choice != "auto":
            return choice
        size = vectors * dimension * 4
        if size <= self.flat_bytes:
            return "flat"
        memory = machine_memory() if self.memory is None else self.memory
        fits = size + vectors * _LINKS * 2 * 4 <= memory // 4
        return "hnsw" if vectors <= self.hnsw_vectors and fits else "ivf"

    def grows(self, kind: IndexKind, before: IndexInfo, vectors: int, dead: int) -> bool:
        """Whether `before` can take up new vectors, to hold so many places with so many dead."""
        return (
            not self.compact
            and kind == before.kind != "flat"
            and dead <= self.dead_share * vectors
            # Lists that were laid out for half as many are too long; a graph grows well.
            and (kind == "hnsw" or vectors <= _GROWN * before.trained)
        )


def machine_memory() -> int:
    """Bytes of memory that this process may hope for: the machine's, or its control group's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    words = limit.read_text(encoding="ascii").strip() if limit.is_file() else ""
    return min(total, int(words)) if words.isdigit() else total


def new_graph(kind: IndexKind, vectors: Any) -> tuple[Any, dict[str, int]]:
    """What finds near places among `vectors` (see `load_index`), and its parameters."""
    view = matrix(vectors)
    if kind == "hnsw":
        graph = _walk(view.shape[1])
        graph.hnsw.efConstruction = _EF_CONSTRUCTION
        _add(graph, view, 0)
        made = {"links": _LINKS, "ef_construction": _EF_CONSTRUCTION, "ef_search": _EF_SEARCH}
        return graph, made
    lists = max(1, min(int(2 * len(view) ** 0.5), len(view)))
    graph = _lists(view, lists)
    _add(graph, view, 0)
    return graph, {"lists": lists, "probes": min(_PROBES, lists), "bits": 8}


def _walk(dimension: int) -> Any:
    """An empty graph. Links are chosen by 16-bit copies: a third faster, and half the memory."""
    sixteen_bits = faiss.ScalarQuantizer.QT_bf16
    return faiss.IndexHNSWSQ(dimension, sixteen_bits, _LINKS, faiss.METRIC_INNER_PRODUCT)


def _lists(view: Vectors, lists: int) -> Any:
    dimension = view.shape[1]
    centroids = faiss.IndexFlatIP(dimension)
    eight_bits = faiss.ScalarQuantizer.QT_8bit
    graph = faiss.IndexIVFScalarQuantizer(
        centroids, dimension, lists, eight_bits, faiss.METRIC_INNER_PRODUCT
    )
    # Without these FAISS prints advice for a base of few vectors.
    graph.cp.min_points_per_centroid = 1
    graph.cp.max_points_per_centroid = _TRAINED_ON
    chosen = _sample(len(view), lists * _TRAINED_ON, seed=1)
    graph.train(np.ascontiguousarray(view[chosen]))
    return graph


def grow(kind: IndexKind, graph: Any, vectors: Any) -> Any:
    """Add to an unmapped graph the places of `vectors` that it does not know yet."""
    view, known = matrix(vectors), graph.ntotal
    if kind == "hnsw":
        # Links are chosen by comparing with what is there; adding also stores what is added.
        storage = faiss.IndexScalarQuantizer(
            view.shape[1], faiss.ScalarQuantizer.QT_bf16, faiss.METRIC_INNER_PRODUCT
        )
        _add(storage, view[:known], 0)
        graph.storage, graph.own_fields = storage, True
        storage.this.disown()
    _add(graph, view, known)
    return graph


def _add(index: Any, view: Vectors, start: int) -> None:
    for at in range(start, len(view), _BLOCK):
        index.add(np.ascontiguousarray(view[at : at + _BLOCK]))


def write_graph(graph: Any, path: Path) -> None:
    """Without the vectors, which have a file of their own. Raises RuntimeError."""
    faiss.write_index(graph, str(path), faiss.IO_FLAG_SKIP_STORAGE)


def measured(vectors: Any, graph: Any, info: IndexInfo, settings: IndexSettings) -> IndexInfo:
    """Widen the search until its recall@10 holds; says so where it does not at the first try."""
    index = VectorIndex(vectors, graph, info)
    if info.kind == "flat" or not len(index):
        return info
    queries = _questions(index, settings.queries)
    floors = _floors(index, queries)
    first: float | None = None
    while True:
        recall = _recall(index, queries, floors)
        info = replace(info, recall=round(recall, 4), queries=len(queries), target=settings.target)
        wider = _wider(info)
        if info.holds or wider is None:
            break
        first, info = info.recall if first is None else first, wider
        index = VectorIndex(vectors, graph, info)
    if first is not None or not info.holds:
        _say(info, first)
    return info


def _say(info: IndexInfo, first: float | None) -> None:
    was = "" if first is None else f" was {first:.3f} and after widening the search"
    under = "" if info.holds else f", still under {info.target:.2f}"
    _LOG.warning("%s index: recall@10%s is %.3f%s", info.kind, was, info.recall, under)


def _wider(info: IndexInfo) -> IndexInfo | None:
    """The same index, searched twice as far; None where that is no use."""
    name, most = "ef_search", _EF_MOST
    if info.kind == "ivf":
        name, most = "probes", info.parameters["lists"]
    now = info.parameters[name]
    if now >= most:
        return None
    return replace(info, parameters={**info.parameters, name: min(2 * now, most)})


def _questions(index: VectorIndex, count: int) -> Vectors:
    """Stored vectors, each turned by 37 degrees: a question is near what answers it, never it."""
    places = index.live[_sample(len(index), count, seed=2)]
    found = index.matrix()[places]
    noise = np.random.default_rng(3).standard_normal(found.shape, dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    turned = (1 - _TURN**2) ** 0.5 * found + _TURN * noise
    unit: Vectors = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
    return unit


def _sample(size: int, count: int, seed: int) -> Rows:
    chosen = np.random.default_rng(seed).choice(size, min(size, count), replace=False)
    return np.sort(chosen)


def _floors(index: VectorIndex, queries: Vectors) -> Vectors:
    """The score of each question's tenth best place, by comparing all."""
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    for block in _live_blocks(index):
        scores = np.concatenate([best, queries @ block.T], axis=1)
        keep = min(_AT, scores.shape[1])
        best = np.partition(scores, scores.shape[1] - keep, axis=1)[:, -keep:]
    floors: Vectors = best.min(axis=1)
    return floors


def _live_blocks(index: VectorIndex) -> Iterator[Vectors]:
    view, live = index.matrix(), index.live
    for at in range(0, len(live), _BLOCK):
        yield view[live[at : at + _BLOCK]]


def _recall(index: VectorIndex, queries: Vectors, floors: Vectors) -> float:
    """The share of hits that are as near as the true ones: equal texts stand for each other."""
    wanted = min(_AT, len(index))
    good: int = sum(
        bool(hit.score >= floor - _ROUNDING)
        for query, floor in zip(queries, floors, strict=True)
        for hit in index.search(query, wanted)
    )
    return good / (wanted * len(queries))
