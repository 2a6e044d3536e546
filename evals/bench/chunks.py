"""Chunk sizes compared: the same files cut in several ways, the same questions put to each.

Chunks do not overlap. What an overlap is for, an answer that stands across a border, is had by
showing a chunk with its neighbours (small to big): documents rank the same then, so it has a row
only where answers are given, and their share that is shown in the first tokens says what it buys.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from evals.bench.machine import load_average
from evals.cases import open_cases
from evals.compare import Comparison, compare
from evals.metrics import table
from evals.run import Plan, evaluate
from evals.sample import CASES, DOCUMENTS
from evals.stats.text import contains_answer
from evals.suites import get
from evals.suites.base import Options, require_text, require_texts
from evals.testing import Silent
from evals.types import Json, ScoredCase
from ingest.build import ingest
from ingest.chunk import ChunkSettings
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.types import Embedder, Hit, StoredChunk, Vectors
from rag.assemble import open_bulk_embedder
from rag.config import Config
from rag.engines.llamacpp import usable_cpus
from rag.retrieve import Index, Retriever
from rag.types import Passage

SIZES = (100, 200, 240)
SHOWN_TOKENS = 400
"""About what the default prompt has room for beside instructions and question."""
SMALL = 100
METRICS = ("ndcg@10", "recall@10")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the texts that answer it."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """What one setting comes to. `shown` and `wide` are None where nothing was asked of them.

    `shown` is the share of questions with an answer in the first SHOWN_TOKENS of the passages,
    `wide` the same when each passage comes with its neighbours.
    """

    settings: ChunkSettings
    chunks: int
    chunks_per_s: float
    results: Json
    scores: tuple[ScoredCase, ...]
    shown: float | None = None
    wide: float | None = None


class Wide:
    """A knowledge base whose chunks are shown with the ones before and after them."""

    def __init__(self, base: KnowledgeBase) -> None:
        self._base = base

    def dense(self, vector: Vectors, k: int, groups: frozenset[str]) -> list[Hit]:
        return self._base.dense(vector, k, groups)

    def lexical(
        self,
        terms: Sequence[str],
        k: int,
        groups: frozenset[str],
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        return self._base.lexical(terms, k, groups, rows)

    def similarity(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        return self._base.similarity(vector, rows)

    def families(self, rows: Sequence[int]) -> Mapping[int, int]:
        return self._base.families(rows)

    def chunks(self, rows: Sequence[int]) -> list[StoredChunk]:
        """Each from where its neighbour before begins to where the one after ends."""
        return [self._widened(chunk) for chunk in self._base.chunks(rows)]

    def _widened(self, chunk: StoredChunk) -> StoredChunk:
        beside = [row for row in self._base.neighbours(chunk.row) if row is not None]
        run = [chunk, *self._base.chunks(beside)]
        start, end = min(c.start for c in run), max(c.end for c in run)
        text = self._base.document_text(chunk.document)[start:end]
        return replace(chunk, start=start, end=end, text=text)


def beginning(
    passages: Sequence[Passage], count: Callable[[Sequence[str]], list[int]], tokens: int
) -> str:
    """The first `tokens` of what is shown, in the order of rank; nothing is shown twice."""
    fresh: list[Passage] = []
    for passage in passages:
        if not any(_holds(earlier, passage) for earlier in fresh):
            fresh.append(passage)
    parts, left = [], tokens
    for passage, size in zip(fresh, count([p.text for p in fresh]), strict=True):
        share = 1.0 if size <= left else left / size
        parts.append(passage.text[: int(share * len(passage.text))])
        left -= size
        if left <= 0:
            break
    return "\n\n".join(parts)


def _holds(earlier: Passage, passage: Passage) -> bool:
    inside = earlier.start <= passage.start and passage.end <= earlier.end
    return inside and earlier.document == passage.document


def shown_share(index: Index, embedder: Embedder, questions: Sequence[Question]) -> float | None:
    """Share of questions with one of their answers in the beginning of what is shown for them."""
    if not questions:
        return None
    # Names in wider passages would lead to other documents.
    retriever = Retriever(index, embedder, replace(Config().retrieve, links=0))
    return fmean(
        contains_answer(
            beginning(retriever.retrieve(q.text), embedder.count_tokens, SHOWN_TOKENS), q.answers
        )
        for q in questions
    )


def read_questions(path: Path) -> list[Question]:
    """The cases of a file with `query` and `answers`, without those that nothing answers."""

    def check(row: Mapping[str, Any]) -> None:
        require_text(row, "query")
        require_texts(row, "answers")

    rows = (case.row for case in open_cases([path], check).read())
    return [Question(row["query"], tuple(row["answers"])) for row in rows if row["answers"]]


def measure(
    settings: ChunkSettings,
    files: Sequence[Path],
    cases: Path,
    questions: Sequence[Question],
    folder: Path,
    embedder: Embedder,
) -> Cut:
    """Cut, embed and ask. Raises SurefootError if a file can't be ingested."""
    began = time.perf_counter()
    report = ingest(files, folder / "kb", embedder, chunking=settings)
    seconds = time.perf_counter() - began
    if report.failed:
        raise SurefootError(f"{report.failed[0].path}: {report.failed[0].reason}")
    suite = get("retrieval")
    options = Options(Config(), folder / "kb")
    plan = Plan(suite, open_cases([cases], suite.check), options)
    run = evaluate(plan, folder / "run", Silent())
    cut = Cut(settings, report.chunks, report.chunks / seconds, run.results, tuple(run.scores()))
    with closing(KnowledgeBase.open(folder / "kb", embedder)) as base:
        shown = shown_share(base, embedder, questions)
        small = settings.max_tokens <= SMALL
        wide = shown_share(Wide(base), embedder, questions) if small else None
    return replace(cut, shown=shown, wide=wide)


def differences(shipped: Cut, other: Cut) -> dict[str, Comparison]:
    """The metrics of another setting less those of the shipped one, case by case."""
    metrics = get("retrieval").metrics(table([item.score for item in shipped.scores]))
    found = compare(metrics, shipped.scores, other.scores)
    return {comparison.metric: comparison for comparison in found.comparisons}


def markdown(cuts: Sequence[Cut], shipped: Cut) -> list[str]:
    """A table with a line a setting; differences are to the shipped one."""
    head = ["tokens", "chunks", *METRICS, *(f"{name} less shipped" for name in METRICS)]
    answers = shipped.shown is not None
    head += [f"answer in {SHOWN_TOKENS} tokens"] if answers else []
    lines = [_line([*head, "chunks/s"]), _line(["---:"] * (len(head) + 1))]
    for cut in cuts:
        lines.append(_line(_cells(cut, shipped, cut.shown)))
        if cut.wide is not None:
            lines.append(_line(_cells(cut, shipped, cut.wide, ", with neighbours")))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(cut: Cut, shipped: Cut, shown: float | None, suffix: str = "") -> list[str]:
    name = f"{cut.settings.max_tokens}{suffix}{' (shipped)' if cut is shipped else ''}"
    values = [_interval(cut.results["metrics"][metric]) for metric in METRICS]
    beside = ["", ""]
    if cut is not shipped:
        found = differences(shipped, cut)
        beside = [_difference(found[metric]) for metric in METRICS]
    share = [] if shown is None else [f"{shown:.3f}"]
    return [name, f"{cut.chunks:,}", *values, *beside, *share, f"{cut.chunks_per_s:.0f}"]


def _interval(metric: Json) -> str:
    if metric["value"] is None:
        return "no cases"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def _difference(found: Comparison) -> str:
    if found.difference is None or found.low is None or found.high is None:
        return "no cases"
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], {found.verdict}"


def run(
    files: Sequence[Path], cases: Path, answers: Path | None, sizes: Sequence[int], say: Say
) -> list[str]:
    """The table's lines, and what they hold for. Raises SurefootError."""
    embedder = open_bulk_embedder()
    embedder.embed(["Loaded before the clock runs."])
    questions = read_questions(answers) if answers else []
    default, before = ChunkSettings(), load_average()
    cuts = []
    for size in sorted({*sizes, default.max_tokens}):
        settings = replace(default, max_tokens=size, small_tokens=min(default.small_tokens, size))
        say(f"{size} tokens")
        with TemporaryDirectory(prefix="surefoot-chunks-") as folder:
            cuts.append(measure(settings, files, cases, questions, Path(folder), embedder))
    shipped = next(cut for cut in cuts if cut.settings == default)
    asked = f"{len(shipped.scores)} retrieval cases, {len(questions)} questions with answers"
    load = f"load {before:.1f} before, {load_average():.1f} after, on {usable_cpus()} cores"
    return [*markdown(cuts, shipped), "", f"{asked}; {load}"]


def main() -> None:
    """`python -m evals.bench.chunks [--kb-files FILE...] [--cases FILE] [--answers FILE]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--kb-files", type=Path, nargs="+", help="default: the sample documents")
    parser.add_argument("--cases", type=Path, default=CASES / "retrieval.jsonl")
    parser.add_argument("--answers", type=Path, help="cases with `query` and `answers`")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="tokens a chunk")
    given = parser.parse_args()
    answers = given.answers or (None if given.kb_files else CASES / "qa.jsonl")
    files = given.kb_files or [DOCUMENTS]
    try:
        lines = run(files, given.cases, answers, given.sizes, _say)
    except (SurefootError, ValueError) as error:
        sys.exit(str(error))
    print("\n".join(lines))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
