"""`surefoot bench ingest`: files into a knowledge base, beside plain loops and txtai.

The others are given the chunks that Surefoot made, free of charge: they neither read files nor cut
them. Surefoot's second ingest, of unchanged files, is a figure of its own: a loop does all again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from evals.bench.harness import Contest, Measure, Missing, Say, Side
from evals.bench.machine import installed
from evals.bench.peers import plainloop
from evals.bench.texts import write_notes
from ingest.build import ingest
from ingest.embed import SentenceEmbedder
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.types import Embedder
from rag.assemble import EMBEDDER
from rag.models import resolve, spec

SIZE = 40


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` generated Markdown files of about 300 words. Raises ModelUnavailable."""
    say(f"writing {size} files")
    files = workspace / "files"
    write_notes(files, size)
    model = resolve(EMBEDDER)
    # Not the shared one: it remembers texts, and the second round would cost nothing.
    embedder = SentenceEmbedder(model, EMBEDDER, spec(EMBEDDER).sha256)
    ours = _Ours(files, workspace, embedder)
    chunks = _chunks(ours, workspace / "first", say)
    plain = plainloop.float32_encoder(model)
    version = f"sentence-transformers {installed('sentence-transformers')}"
    sides = [
        Side("surefoot", installed("surefoot") or "source", ours),
        _side("plain loop, float32", version, workspace, chunks, lambda c, f: _loop(c, f, plain)),
        _side(
            "plain loop, our embedder",
            "built in",
            workspace,
            chunks,
            lambda c, f: _loop(c, f, embedder.embed),
        ),
    ]
    missing = _txtai(sides, workspace, chunks, model)
    same = float(np.sum(plain(chunks[:32]) * embedder.embed(chunks[:32]), axis=1).min())
    what = (
        f"{size} Markdown files, {len(chunks)} chunks; our vectors and float32 ones have a cosine"
        f" of at least {same:.4f}"
    )
    return [Contest("ingest", what, tuple(sides), missing=missing)]


class _Ours:
    """One ingest into a new knowledge base, and a second one that finds nothing to do."""

    def __init__(self, files: Path, workspace: Path, embedder: Embedder) -> None:
        self._files = files
        self._embedder = embedder
        self._folders = (workspace / f"kb-{number}" for number in count())

    def __call__(self) -> Measure:
        kb = next(self._folders)
        began = time.perf_counter()
        chunks = self.into(kb)
        seconds = time.perf_counter() - began
        self.into(kb)
        again = time.perf_counter() - began - seconds
        shutil.rmtree(kb)
        return Measure(seconds, {"chunks_per_s": chunks / seconds, "second_ingest_s": again})

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
