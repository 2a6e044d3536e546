"""A knowledge base of a million chunks: does it build, open and answer, and in how much memory?

Run by hand, it takes minutes: `python -m evals.bench.index --n 1000000`. Vectors are drawn, not
embedded, in topics of unequal size with narrower ones inside; rows, words and the index are those
of a real base. Questions are drawn apart from what is stored.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from evals.bench.machine import load_average, machine
from ingest.chunk import ChunkSettings
from ingest.commit import commit
from ingest.indexing import IndexSettings
from ingest.plan import Outcome, Plan
from ingest.schema import connect_writer
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Chunk, Hit, IndexChoice, ParsedDocument, Section, Vectors
from ingest.writer import Content, Writer

DIMENSION = 384
DOCUMENT = 500
QUESTIONS = 200
TOP, MANY = 10, 100
# Groups and how many of a hundred documents carry each; the rest is open to all.
GROUPS = {"few": 1, "some": 10, "half": 50}
# A narrower topic has a hundred chunks on average, whose cosine with each other is about 0.75;
# with others of the wider topic it is 0.45.
_NARROWER, _CHUNKS, _WAYS = 8, 100, 48
_SEED = 7

# The number of a document and of its chunks -> their texts, of one line each.
Texts = Callable[[int, int], list[str]]


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of a search: median, 95 of 100, and its recall against comparing all."""

    what: str
    p50_ms: float
    p95_ms: float
    recall: float


class Drawn:
    """Unit vectors of shape (n, 384) around topics whose sizes follow Zipf's law."""

    def __init__(self, size: int) -> None:
        random = np.random.default_rng(_SEED)
        topics = max(1, size // (_NARROWER * _CHUNKS))
        self._topics = _normal(random, topics)
        self._narrower = _normal(random, topics * _NARROWER)
        self._ways = _normal(random, _WAYS) / np.float32(_WAYS**0.5)
        share = 1 / np.arange(1, topics + 1) ** 0.7
        self._share = share / share.sum()

    def vectors(self, count: int, seed: int) -> Vectors:
        """The same for the same seed."""
        random = np.random.default_rng([_SEED, seed])
        topics = random.choice(len(self._topics), count, p=self._share)
        inner = topics * _NARROWER + random.integers(0, _NARROWER, count)
        along = random.standard_normal((count, _WAYS), dtype=np.float32) @ self._ways
        noise = _normal(random, count)
        found = self._topics[topics] + 0.8 * self._narrower[inner] + 0.6 * along + 0.4 * noise
        unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit


def _normal(random: np.random.Generator, count: int) -> Vectors:
    return random.standard_normal((count, DIMENSION), dtype=np.float32)


def numbered(document: int, count: int) -> list[str]:
    """Texts of a document's chunks in which only numbers differ."""
    return [f"Passage {at} of document {document} in this base." for at in range(count)]


def fill(
    directory: Path, size: int, choice: IndexChoice, texts: Texts = numbered
) -> dict[str, float]:
    """Write `size` chunks of these texts and commit them. Seconds of both."""
    began, drawn, embedder = time.perf_counter(), Drawn(size), HashEmbedder(DIMENSION)
    with closing(connect_writer(directory)) as connection:
        writer, plan = Writer(connection, None), Plan(connection, 0)
        writer.begin(embedder)
        for number, content in enumerate(_documents(size, texts)):
            writer.add_vectors(content.vector_keys, drawn.vectors(len(content.chunks), number))
            writer.add_contents([content])
            plan.meet(content.key, f"{content.key}.txt", content.key, "bench", Outcome.ADDED)
        filled = time.perf_counter()
        commit(writer, directory, None, embedder, ChunkSettings(), IndexSettings(choice=choice))
    return {"fill_s": filled - began, "commit_s": time.perf_counter() - filled}


def _documents(size: int, texts: Texts) -> Iterator[Content]:
    labels = [name for name, count in GROUPS.items() for _ in range(count)]
    for number in range(-(-size // DOCUMENT)):
        count = min(DOCUMENT, size - number * DOCUMENT)
        lines = texts(number, count)
        ends = np.cumsum([len(line) + 1 for line in lines]).tolist()
        text, name = "\n".join(lines), f"document-{number}"
        chunks = [
            Chunk(f"{number}-{at}", end - len(line) - 1, end - 1, line, (), None, 8)
            for at, (line, end) in enumerate(zip(lines, ends, strict=True))
        ]
        place = number * 37 % 100
        groups = frozenset(labels[place : place + 1])
        keys = [f"{number}-{at}".encode() for at in range(count)]
        parsed = ParsedDocument(text, name, (Section(0, len(text)),))
        yield Content(name, name, len(text), parsed, chunks, keys, groups)


def ask(base: KnowledgeBase, questions: Vectors) -> list[Times]:
    """Each kind of search over all questions, beside comparing all that the asker may see."""
    every = frozenset(GROUPS)
    askers = {"all": every, "none": frozenset[str](), **{g: frozenset({g}) for g in GROUPS}}
    found = []
    for name, groups in askers.items():
        for k in (TOP, MANY):
            # The first question of an asker collects what they may see.
            base.dense(questions[0], k, groups)
            found.append(_timed(f"{name}, {k}", base, questions, k, groups))
    return found


def _timed(
    what: str, base: KnowledgeBase, questions: Vectors, k: int, groups: frozenset[str]
) -> Times:
    times, good, total = [], 0, 0
    for question in questions:
        began = time.perf_counter()
        hits = base.dense(question, k, groups)
        times.append(1000 * (time.perf_counter() - began))
        if len(times) % 10 == 1:
            floor = _exact(base, question, groups)[: len(hits)][-1].score - 1e-6
            good += sum(hit.score >= floor for hit in hits)
            total += len(hits)
    p50, p95 = np.percentile(times, (50, 95))
    return Times(what, round(float(p50), 2), round(float(p95), 2), round(good / total, 4))


def _exact(base: KnowledgeBase, question: Vectors, groups: frozenset[str]) -> list[Hit]:
    # So many hits are only had by comparing all.
    return base.dense(question, 2000, groups)


def run(size: int, choice: IndexChoice, directory: Path, say: Callable[[str], None]) -> None:
    """Build, open, ask; one JSON object a line."""
    say(json.dumps({"machine": asdict(machine()), "load": load_average(), "chunks": size}))
    say(json.dumps({k: round(v, 1) for k, v in fill(directory, size, choice).items()}))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    base = KnowledgeBase.open(directory)
    opened = 1000 * (time.perf_counter() - began)
    info = base.info()
    say(json.dumps({"open_ms": round(opened, 1), "index": asdict(info.index)}))
    for times in ask(base, Drawn(size).vectors(QUESTIONS, 10**9)):
        say(json.dumps(asdict(times)))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = {"build_peak_mib": peak >> 10, "peak_mib": after >> 10, "disk_mib": info.bytes >> 20}
    say(json.dumps({**sizes, "load": load_average()}))


def main() -> None:
    """`python -m evals.bench.index --n 1000000 [--index ivf] [--dir DIR]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--index", choices=get_args(IndexChoice), default="auto")
    parser.add_argument("--dir", type=Path, help="where to build it (default: a temporary folder)")
    given = parser.parse_args()
    with TemporaryDirectory(dir=given.dir) as folder:
        run(
            given.n,
            given.index,
            Path(folder),
            lambda line: print(line, flush=True, file=sys.stdout),
        )


if __name__ == "__main__":
    main()
