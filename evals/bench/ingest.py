"""`surefoot bench ingest`: files into a knowledge base, beside LangChain, plain loops and txtai.

The LangChain recipe does the same work: it reads, cuts, embeds and saves the same files, and how
well both are searched afterwards, untimed, stands beside the times. The others are given the chunks
that Surefoot made, free of charge: they neither read files nor cut them. Surefoot's second ingest,
of unchanged files, is a figure of its own: a loop does all again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np

from evals.bench.harness import Contest, Measure, Missing, Say, Side
from evals.bench.machine import installed
from evals.bench.peers import plainloop
from evals.bench.sources import Asked, found, questions
from evals.bench.texts import write_notes
from ingest.build import ingest
from ingest.embed import SentenceEmbedder
from ingest.encoders.arithmetic import Arithmetic
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.types import Embedder
from rag.assemble import EMBEDDER
from rag.config import RetrieveConfig
from rag.models import resolve, spec
from rag.retrieve import Retriever

SIZE = 40
# What peers/langchain.py needs.
LANGCHAIN = ("langchain-text-splitters", "langchain-huggingface", "langchain-community")

# Chunk size and overlap in characters, as LangChain's own tutorials have them.
TUTORIAL = (1000, 200)


class Searchable(Protocol):
    """What a peer makes of files: `search` gives the names of files, best first."""

    @property
    def chunks(self) -> int: ...

    def search(self, question: str, top: int) -> Sequence[str]: ...


Work = Callable[[Path, Path], Searchable]


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` generated Markdown files of about 300 words. Raises ModelUnavailable."""
    say(f"writing {size} files")
    files = workspace / "files"
    write_notes(files, size)
    model = resolve(EMBEDDER)
    # Not the shared one: it remembers texts, and the second round would cost nothing.
    embedder = SentenceEmbedder(model, EMBEDDER, spec(EMBEDDER).sha256, bulk=True)
    asked = questions(files)
    ours = _Ours(files, workspace, embedder, asked)
    chunks = _chunks(ours, workspace / "first", say)
    plain = plainloop.float32_encoder(model)
    version = f"sentence-transformers {installed('sentence-transformers')}"
    sides = [
        Side("surefoot", installed("surefoot") or "source", ours),
        _side("plain loop, float32", version, workspace, chunks, lambda c, f: _loop(c, f, plain)),
    ]
    sides += [_ours_in(arithmetic, workspace, chunks, model) for arithmetic in Arithmetic]
    missing = _langchain(sides, workspace, files, model, asked)
    missing += _txtai(sides, workspace, chunks, model)
    same = float(np.sum(plain(chunks[:32]) * embedder.embed(chunks[:32]), axis=1).min())
    what = (
        f"{size} Markdown files, {len(chunks)} chunks; our vectors and float32 ones have a cosine"
        f" of at least {same:.4f}"
    )
    return [Contest("ingest", what, tuple(sides), missing=missing)]


class _Ours:
    """One ingest into a new knowledge base, and a second one that finds nothing to do."""

    def __init__(
        self, files: Path, workspace: Path, embedder: Embedder, asked: Sequence[Asked]
    ) -> None:
        self._files = files
        self._embedder = embedder
        self._asked = asked
        self._folders = (workspace / f"kb-{number}" for number in count())
        self._quality: Mapping[str, float] = {}

    def __call__(self) -> Measure:
        kb = next(self._folders)
        began = time.perf_counter()
        chunks = self.into(kb)
        seconds = time.perf_counter() - began
        self.into(kb)
        again = time.perf_counter() - began - seconds
        # The same files give the same base: it is searched once, in the round that isn't counted.
        self._quality = self._quality or self._searched(kb)
        shutil.rmtree(kb)
        figures = {**_rates(len(self._asked), chunks, seconds), "second_ingest_s": again}
        return Measure(seconds, {**figures, **self._quality})

    def _searched(self, kb: Path) -> dict[str, float]:
        with closing(KnowledgeBase.open(kb, self._embedder)) as base:
            retriever = Retriever(base, self._embedder, RetrieveConfig())

            def search(question: str, top: int) -> list[str]:
                return [Path(p.path).name for p in retriever.retrieve(question, top=top)]

            return found(search, self._asked)

    def into(self, kb: Path) -> int:
        """Chunks in the knowledge base afterwards. Raises SurefootError if a file failed."""
        report = ingest([self._files], kb, self._embedder)
        if report.failed:
            failure = report.failed[0]
            raise SurefootError(f"{failure.path}: {failure.reason}")
        return report.chunks


def _chunks(ours: _Ours, kb: Path, say: Say) -> list[str]:
    say("reading and cutting, once")
    total = ours.into(kb)
    base = KnowledgeBase.open(kb)
    hits = base.dense(np.zeros(base.info().dimension, np.float32), total)
    texts = [chunk.text for chunk in base.chunks(sorted(hit.row for hit in hits))]
    base.close()
    return texts


def _loop(chunks: Sequence[str], folder: Path, encode: plainloop.Encode) -> None:
    plainloop.ingest(chunks, folder, encode)


def _rates(files: int, chunks: int, seconds: float) -> dict[str, float]:
    return {"files_per_s": files / seconds, "chunks_per_s": chunks / seconds}


def _ours_in(arithmetic: Arithmetic, workspace: Path, chunks: Sequence[str], model: Path) -> Side:
    """A plain loop with our embedder: what each arithmetic brings on this CPU."""
    embedder = SentenceEmbedder(model, EMBEDDER, spec(EMBEDDER).sha256, arithmetic=arithmetic)
    name = f"plain loop, our embedder, {arithmetic}"
    return _side(name, "built in", workspace, chunks, lambda c, f: _loop(c, f, embedder.embed))


def _langchain(
    sides: list[Side], workspace: Path, files: Path, model: Path, asked: Sequence[Asked]
) -> tuple[Missing, ...]:
    versions = {name: installed(name) for name in LANGCHAIN}
    if None in versions.values():
        # Not in the extra: its packages hold the hub's client at an older version.
        return (Missing("LangChain recipe", f"pip install {' '.join(LANGCHAIN)}"),)
    from evals.bench.peers.langchain import Recipe, embeddings

    version = ", ".join(f"{name} {number}" for name, number in versions.items())
    loaded, folder = embeddings(model), workspace / "langchain"
    recipes = {
        "LangChain recipe": Recipe(loaded),
        "LangChain recipe, tutorial chunks": Recipe(loaded, *TUTORIAL),
    }
    for name, recipe in recipes.items():
        sides.append(Side(name, version, _Searched(recipe.ingest, files, folder, asked)))
    return ()


class _Searched:
    """A peer that does the whole work, and how well its result is searched."""

    def __init__(self, work: Work, files: Path, folder: Path, asked: Sequence[Asked]) -> None:
        self._work = work
        self._files = files
        self._folder = folder
        self._asked = asked
        self._quality: Mapping[str, float] = {}

    def __call__(self) -> Measure:
        began = time.perf_counter()
        made = self._work(self._files, self._folder)
        seconds = time.perf_counter() - began
        self._quality = self._quality or found(made.search, self._asked)
        shutil.rmtree(self._folder)
        return Measure(seconds, {**_rates(len(self._asked), made.chunks, seconds), **self._quality})


def _txtai(
    sides: list[Side], workspace: Path, chunks: Sequence[str], model: Path
) -> tuple[Missing, ...]:
    version = installed("txtai")
    if version is None:
        return (Missing("txtai", "pip install 'surefoot[bench]'"),)
    from evals.bench.peers import textai

    sides.append(
        _side("txtai", version, workspace, chunks, lambda c, f: textai.ingest(c, f, model))
    )
    return ()


def _side(
    name: str,
    version: str,
    workspace: Path,
    chunks: Sequence[str],
    work: Callable[[Sequence[str], Path], None],
) -> Side:
    def run() -> Measure:
        folder = workspace / "peer"
        began = time.perf_counter()
        work(chunks, folder)
        seconds = time.perf_counter() - began
        shutil.rmtree(folder)
        return Measure(seconds, {"chunks_per_s": len(chunks) / seconds})

    return Side(name, version, run)
