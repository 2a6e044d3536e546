"""`surefoot bench retrieve`: a question to ten chunks, beside hybrids of LangChain and by hand.

What is timed is searching: vectors come from hashed words on all sides, since a model that embeds
the question would cost each the same. `overlap` says how far a side finds what ours finds, `found`
how often the one chunk with the question's topic is among the ten. Links, another search, are off.
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
from ingest.types import Vectors
from rag.config import RetrieveConfig
from rag.retrieve import Retriever

SIZE = 5000
QUERIES = 200
# Over MANY chunks, where a peer takes a tenth of a second and more for each.
MANY, FEWER_QUERIES = 20_000, 50
TOP = 10
DIMENSION = 384
CANDIDATES = RetrieveConfig().candidates
LANGCHAIN = ("langchain-community", "langchain-classic", "rank-bm25", "faiss-cpu")

Search = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Query:
    """A question and the document that it is about."""

    text: str
    document: str


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """A knowledge base of `size` documents of one chunk each, and 50 to 200 questions."""
    embedder = HashEmbedder(DIMENSION)
    say(f"building a knowledge base of {size} chunks")
    questions = write_corpus(workspace / "corpus.jsonl", size)
    ingest([workspace / "corpus.jsonl"], workspace / "kb", embedder)
    base = KnowledgeBase.open(workspace / "kb", embedder)
    queries = _queries(questions)
    retriever = Retriever(base, embedder, RetrieveConfig(top=TOP, links=0))
    ours: Search = lambda text: [p.document for p in retriever.retrieve(text)]  # noqa: E731
    expected = [frozenset(ours(query.text)) for query in queries]
    sides = [_side("surefoot", installed("surefoot") or "source", ours, queries, expected)]
    say("indexing for the peers")
    peers, missing = _peers(_Corpus.of(base, embedder), embedder)
    sides += [_side(*peer, queries, expected) for peer in peers]
    what = f"{len(queries)} questions to {base.info().chunks} chunks, ten each"
    return [Contest("retrieve", what, tuple(sides), ("seconds", "p50_ms", "p95_ms"), missing)]


def _queries(questions: Sequence[str]) -> list[_Query]:
    count = QUERIES if len(questions) <= MANY else FEWER_QUERIES
    chosen = np.random.default_rng(SEED + 1).integers(0, len(questions), size=count).tolist()
    return [_Query(questions[number], f"d{number}") for number in chosen]


@dataclass(frozen=True, slots=True)
class _Corpus:
    """All chunks of a base: texts, their documents, and vectors of shape (n, dimension)."""

    texts: Sequence[str]
    names: Sequence[str]
    vectors: Vectors

    @classmethod
    def of(cls, base: KnowledgeBase, embedder: HashEmbedder) -> _Corpus:
        hits = base.dense(np.zeros(DIMENSION, np.float32), base.info().chunks)
        chunks = base.chunks(sorted(hit.row for hit in hits))
        texts = [chunk.text for chunk in chunks]
        return cls(texts, [chunk.document for chunk in chunks], embedder.embed(texts))

    def named(self, search: Callable[[str], Sequence[int]]) -> Search:
        """A search for places in this corpus as one for documents."""
        return lambda text: [self.names[place] for place in search(text)]


# A name, a version and what it does.
_Peer = tuple[str, str, Search]


def _peers(corpus: _Corpus, embedder: HashEmbedder) -> tuple[list[_Peer], tuple[Missing, ...]]:
    dense, version = Dense(corpus.vectors), f"faiss-cpu {installed('faiss-cpu')}"
    near = corpus.named(lambda text: dense.search(embedder.embed([text])[0], TOP))
    peers: list[_Peer] = [("FAISS, vectors only", version, near)]
    missing: list[Missing] = []
    if found := installed("bm25s"):
        from evals.bench.peers.hybrid import Hybrid, Words

        hybrid = Hybrid(dense, Words(corpus.texts), embedder, CANDIDATES)
        search = corpus.named(lambda text: hybrid.search(text, TOP))
        peers.append(("bm25s + FAISS, ranks fused", f"bm25s {found}, {version}", search))
    else:
        missing.append(Missing("bm25s", "pip install 'surefoot[bench]'"))
    versions = {name: installed(name) for name in LANGCHAIN}
    if None in versions.values():
        # Not in the extra: its packages hold the hub's client at an older version.
        missing.append(Missing("LangChain ensemble", f"pip install {' '.join(LANGCHAIN)}"))
    else:
        from evals.bench.peers.ensemble import Ensemble
        from ingest.langchain import LangchainEmbeddings

        ensemble = Ensemble(corpus.texts, corpus.vectors, LangchainEmbeddings(embedder), TOP)
        version = ", ".join(f"{name} {number}" for name, number in versions.items())
        peers.append(("LangChain ensemble", version, corpus.named(ensemble.search)))
    return peers, tuple(missing)


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
