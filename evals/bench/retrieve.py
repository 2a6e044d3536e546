"""`surefoot bench retrieve`: a question to ten chunks, beside bm25s with FAISS, and FAISS alone.

What is timed is searching: vectors come from hashed words on all sides, since a model that embeds
the question would cost each the same. `overlap` says how far a side finds what ours finds, `found`
how often the one chunk with the question's topic is among the ten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from evals.bench.harness import Contest, Measure, Missing, Say, Side
from evals.bench.machine import installed
from evals.bench.peers.flat import Dense
from evals.bench.texts import SEED, write_corpus
from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.retrieve import Retriever

SIZE = 5000
QUERIES = 200
TOP = 10
DIMENSION = 384
CANDIDATES = RetrieveConfig().candidates

Search = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Query:
    """A question and the document that it is about."""

    text: str
    document: str


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """A knowledge base of `size` documents of one chunk each, and 200 questions."""
    embedder = HashEmbedder(DIMENSION)
    say(f"building a knowledge base of {size} chunks")
    questions = write_corpus(workspace / "corpus.jsonl", size)
    ingest([workspace / "corpus.jsonl"], workspace / "kb", embedder)
    base = KnowledgeBase.open(workspace / "kb", embedder)
    queries = _queries(questions)
    retriever = Retriever(base, embedder, RetrieveConfig(top=TOP))
    ours: Search = lambda text: [p.document for p in retriever.retrieve(text)]  # noqa: E731
    expected = [frozenset(ours(query.text)) for query in queries]
    sides = [_side("surefoot", installed("surefoot") or "source", ours, queries, expected)]
    sides += _peers(base, embedder, queries, expected, say)
    missing = () if installed("bm25s") else (Missing("bm25s", "pip install 'surefoot[bench]'"),)
    what = f"{len(queries)} questions to {base.info().chunks} chunks, ten each"
    return [Contest("retrieve", what, tuple(sides), ("seconds", "p95_ms"), missing)]


def _queries(questions: Sequence[str]) -> list[_Query]:
    chosen = np.random.default_rng(SEED + 1).integers(0, len(questions), size=QUERIES).tolist()
    return [_Query(questions[number], f"d{number}") for number in chosen]


def _peers(
    base: KnowledgeBase,
    embedder: HashEmbedder,
    queries: Sequence[_Query],
    expected: Sequence[frozenset[str]],
    say: Say,
) -> list[Side]:
    say("indexing for the peers")
    hits = base.dense(np.zeros(DIMENSION, np.float32), base.info().chunks)
    chunks = base.chunks(sorted(hit.row for hit in hits))
    texts, names = [chunk.text for chunk in chunks], [chunk.document for chunk in chunks]
    dense = Dense(embedder.embed(texts))

    def near(text: str) -> list[str]:
        return [names[row] for row in dense.search(embedder.embed([text])[0], TOP)]

    version = f"faiss-cpu {installed('faiss-cpu')}"
    sides = [_side("FAISS, vectors only", version, near, queries, expected)]
    if found := installed("bm25s"):
        from evals.bench.peers.hybrid import Hybrid, Words

        hybrid = Hybrid(dense, Words(texts), embedder, CANDIDATES)
        sides.append(
            _side(
                "bm25s + FAISS, ranks fused",
                f"bm25s {found}, {version}",
                lambda text: [names[row] for row in hybrid.search(text, TOP)],
                queries,
                expected,
            )
        )
    return sides


def _side(
    name: str,
    version: str,
    search: Search,
    queries: Sequence[_Query],
    expected: Sequence[frozenset[str]],
) -> Side:
    def run() -> Measure:
        times, found = [], []
        for query in queries:
            began = time.perf_counter()
            found.append(search(query.text))
            times.append(time.perf_counter() - began)
        return Measure(sum(times), _figures(times, found, queries, expected))

    return Side(name, version, run)


def _figures(
    times: Sequence[float],
    found: Sequence[Sequence[str]],
    queries: Sequence[_Query],
    expected: Sequence[frozenset[str]],
) -> dict[str, float]:
    pairs = zip(found, expected, strict=True)
    hits = zip(found, queries, strict=True)
    return {
        "queries_per_s": len(times) / sum(times),
        "p50_ms": 1000 * float(np.quantile(times, 0.5)),
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
        "overlap": fmean(len(ours.intersection(mine)) / max(1, len(ours)) for mine, ours in pairs),
        "found": fmean(query.document in mine for mine, query in hits),
    }
