"""Whole hybrid searches of a million chunks: how long do they take, and FTS5 for the same words?

Run by hand, it takes minutes: `python -m evals.bench.hybrid --n 1000000`. Vectors are drawn as in
`evals.bench.index`; words are made up and as frequent as Zipf's law has it. A question has words
of one chunk, the commonest left out as a question's stop words are. What is found is
compared with what FTS5 finds, which scores every chunk that has any of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from evals.bench.index import DIMENSION, DOCUMENT, GROUPS, Drawn, fill
from evals.bench.machine import load_average, machine
from ingest import lexical
from ingest.schema import connect_reader
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Vectors
from rag.config import RetrieveConfig
from rag.retrieve import Retriever

VOCABULARY = 400_000
STOP = 30
QUESTIONS, COMPARED = 200, 40
TOP = 10, 100
ALL, OPEN = frozenset(GROUPS), frozenset[str]()
_SEED = 11
_SYLLABLES = [c + v for c in "bdfgklmnprtvz" for v in "ao"]


class Zipf:
    """Texts of 30 to 90 made-up words, the r-th commonest of which has a share of about 1/r."""

    def __init__(self) -> None:
        share = 1 / (np.arange(VOCABULARY) + 2.7)
        self._upto = np.cumsum(share / share.sum())
        self._words = np.array([_word(rank) for rank in range(VOCABULARY)])

    def texts(self, document: int, count: int) -> list[str]:
        """The chunks of a document; the same for the same number."""
        random = np.random.default_rng([_SEED, document])
        sizes = random.integers(30, 91, count)
        ranks = np.searchsorted(self._upto, random.random(int(sizes.sum())))
        words, ends = self._words[np.minimum(ranks, VOCABULARY - 1)], np.cumsum(sizes)[:-1]
        return [" ".join(part) for part in np.split(words, ends)]

    def question(self, number: int, size: int, words: int) -> str:
        """`words` different words of some chunk of `size`, none of the 30 commonest."""
        random = np.random.default_rng([_SEED, 1, number])
        document, at = divmod(int(random.integers(size)), DOCUMENT)
        known = self.texts(document, min(DOCUMENT, size - document * DOCUMENT))[at].split()
        rare = sorted(set(known) - set(self._words[:STOP]))
        return " ".join(random.permutation(rare)[:words])


def _word(rank: int) -> str:
    # No suffix that a stemmer knows, and four syllables for each.
    base = len(_SYLLABLES)
    return "".join(_SYLLABLES[rank // base**place % base] for place in range(4))


class DrawnQuestions(HashEmbedder):
    """Gives each new question a vector drawn from those of the base: to embed is not timed."""

    def __init__(self, size: int) -> None:
        super().__init__(DIMENSION)
        self._drawn = Drawn(size).vectors(QUESTIONS, 10**9)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return self._drawn[[self.embedded % QUESTIONS] * len(texts)]


def run(size: int, directory: Path, say: Callable[[str], None]) -> None:
    """Build where there is no base yet, then ask; one JSON object a line."""
    zipf = Zipf()
    say(json.dumps({"machine": asdict(machine()), "load": load_average(), "chunks": size}))
    if not (directory / "manifest.json").is_file():
        directory.mkdir(parents=True, exist_ok=True)
        built = fill(directory, size, "auto", zipf.texts)
        say(json.dumps({name: round(value, 1) for name, value in built.items()}))
    lengths = np.random.default_rng(_SEED).integers(3, 13, QUESTIONS).tolist()
    questions = [zipf.question(at, size, length) for at, length in enumerate(lengths)]
    base = KnowledgeBase.open(directory)
    retriever = Retriever(base, DrawnQuestions(size), RetrieveConfig(links=0))
    terms = [question.split() for question in questions]
    # The commoner words of questions are kept with their scores.
    say(_timed("retrieve, new words", lambda text: retriever.retrieve(text, ALL), questions))
    say(_timed("retrieve", lambda text: retriever.retrieve(text, ALL), questions))
    say(_timed("retrieve, two in five visible", lambda t: retriever.retrieve(t, OPEN), questions))
    say(_timed("lexical", lambda words: base.lexical(words, max(TOP), ALL), terms))
    say(json.dumps(compared(directory, base, terms[:COMPARED])))
    say(json.dumps({"load": load_average()}))


def _timed(what: str, search: Callable[[Any], object], questions: Sequence[Any]) -> str:
    times, began_cpu = [], time.process_time()
    for question in questions:
        began = time.perf_counter()
        search(question)
        times.append(1000 * (time.perf_counter() - began))
    cpu = 1000 * (time.process_time() - began_cpu) / len(questions)
    p50, p95 = np.percentile(times, (50, 95)).round(1).tolist()
    found = {"p50_ms": p50, "p95_ms": p95, "mean_cpu_ms": round(cpu, 1), "n": len(times)}
    return json.dumps({"what": what, **found})


def compared(
    directory: Path, base: KnowledgeBase, questions: Sequence[list[str]]
) -> dict[str, object]:
    """How much of what FTS5 finds is found, and how long FTS5 takes."""
    shares, times = [], []
    with closing(connect_reader(directory)) as connection:
        for terms in questions:
            wanted, began = lexical.phrases(terms), time.perf_counter()
            exact = lexical.exact(connection, base.generation, wanted, max(TOP))
            times.append(1000 * (time.perf_counter() - began))
            found = [hit.row for hit in base.lexical(terms, max(TOP), ALL)]
            rows = [hit.row for hit in exact]
            shares.append([_share(found[:top], rows[:top]) for top in TOP])
    p50, p95 = np.percentile(times, (50, 95)).round(1).tolist()
    overlap = np.mean(shares, axis=0).round(4).tolist()
    named = {f"overlap@{top}": share for top, share in zip(TOP, overlap, strict=True)}
    return {"what": "lexical, FTS5", "p50_ms": p50, "p95_ms": p95, **named, "n": len(times)}


def _share(found: Sequence[int], exact: Sequence[int]) -> float:
    return len(set(found) & set(exact)) / max(1, len(exact))


def main() -> None:
    """`python -m evals.bench.hybrid --n 1000000 [--dir DIR]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dir", type=Path, help="where to build the base, or where one was built")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        run(given.n, given.dir or Path(folder), lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
