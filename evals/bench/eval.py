"""`surefoot bench eval`: intervals, ranking measures and the runner, beside the usual way to do it.

Figures of both sides are printed next to their times: what is compared must come to the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import fmean

import numpy as np

from evals.bench.harness import Contest, Measure, Missing, Say, Side
from evals.bench.machine import installed
from evals.bench.peers import statistics
from evals.bench.texts import SEED, Planted, answers
from evals.cases import open_cases
from evals.metrics import auc, estimate, table
from evals.run import Plan, evaluate
from evals.stats.ranking import ndcg_at
from evals.suites import get
from evals.suites.base import Options, Suite
from evals.types import Score
from rag.safety.build import build_pii
from rag.safety.policy import DEFAULT

SIZE = 2000
# Of fewer cases a resample may hold one class only, and have no AUC.
FEWEST = 100
CLUSTER = 4
RESAMPLES = 500
DEPTH, JUDGED, CUT = 100, 5, 10
PII_SHARE = 8

BENCH_EXTRA = "pip install 'surefoot[bench]'"


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` cases, as many rankings, and an eighth as many texts through the `pii` suite."""
    say("drawing cases")
    ours = installed("surefoot") or "source"
    return [
        _auc(size, ours),
        _ndcg(size, ours),
        _runner(max(8, size // PII_SHARE), workspace, ours),
    ]


def _auc(size: int, version: str) -> Contest:
    size = max(FEWEST, size)
    random = np.random.default_rng(SEED)
    clusters = np.arange(size) // CLUSTER
    shift = random.standard_normal(size // CLUSTER + 1)[clusters]
    truth = (random.random(size) < 0.4).astype(np.float64)
    score = truth + shift + random.standard_normal(size)
    scores = [
        Score(str(i), str(clusters[i]), "scored", {"score": score[i], "truth": truth[i]})
        for i in range(size)
    ]
    cases, metric = table(scores), auc("auc", "score", "truth")

    def ours() -> tuple[float, ...]:
        found = estimate(metric, cases, seed=SEED, resamples=RESAMPLES)
        return found.value or 0.0, found.low or 0.0, found.high or 0.0

    def peer() -> tuple[float, ...]:
        return statistics.auc_interval(score, truth, clusters, RESAMPLES, SEED)

    names = ("auc", "low", "high")
    what = f"AUC of {size} cases in clusters of {CLUSTER} with {RESAMPLES} resamples"
    sides, missing = [_side("surefoot, BCa", version, ours, names)], []
    if found := installed("scikit-learn"):
        sides.append(_side("loop over scikit-learn, percentile", found, peer, names))
    else:
        missing.append(Missing("scikit-learn", BENCH_EXTRA))
    return Contest("auc-interval", what, tuple(sides), missing=tuple(missing))


def _ndcg(size: int, version: str) -> Contest:
    random = np.random.default_rng(SEED)
    names = [f"d{number}" for number in range(2 * DEPTH)]
    rankings, relevant = {}, {}
    for query in range(size):
        order = random.permutation(names).tolist()
        rankings[f"q{query}"] = order[:DEPTH]
        relevant[f"q{query}"] = order[:: DEPTH // 4][:JUDGED]

    def ours() -> tuple[float, ...]:
        return (fmean(ndcg_at(rankings[q], relevant[q], CUT) or 0.0 for q in rankings),)

    def peer() -> tuple[float, ...]:
        return (fmean(statistics.ndcg(rankings, relevant, CUT)),)

    figure = (f"ndcg@{CUT}",)
    what = f"nDCG@{CUT} of {size} rankings of {DEPTH}"
    sides, missing = [_side("surefoot", version, ours, figure)], []
    if found := installed("pytrec-eval-terrier"):
        sides.append(_side("pytrec_eval", found, peer, figure))
    else:
        missing.append(Missing("pytrec_eval", BENCH_EXTRA))
    return Contest("ndcg", what, tuple(sides), missing=tuple(missing))


def _side(
    name: str, version: str, work: Callable[[], tuple[float, ...]], figures: Sequence[str]
) -> Side:
    def run() -> Measure:
        began = time.perf_counter()
        found = work()
        seconds = time.perf_counter() - began
        return Measure(seconds, dict(zip(figures, found, strict=True)))

    return Side(name, version, run)


@dataclass(frozen=True, slots=True)
class _Unwatched:
    """A run that nobody watches."""

    def begin(self, total: int, suite: Suite) -> None:
        del total, suite

    def finished(self, scores: Sequence[Score]) -> None:
        del scores


def _runner(size: int, workspace: Path, version: str) -> Contest:
    texts = answers(size, 2)
    file = workspace / "pii.jsonl"
    file.write_text("".join(_row(i, text) for i, text in enumerate(texts)), encoding="utf-8")
    suite = get("pii")
    folders = (workspace / f"run-{number}" for number in count())

    def ours() -> tuple[float, ...]:
        files = open_cases((file,), suite.check, None, 0)
        done = evaluate(Plan(suite, files, Options()), next(folders), _Unwatched())
        return (float(sum(item.score.values["hits_gold"] or 0 for item in done.scores())),)

    def loop() -> tuple[float, ...]:
        pii = build_pii("", DEFAULT, report_names=True)
        spans = [[(f.start, f.end) for f in pii.find(text.text, "answer")] for text in texts]
        pairs = zip(spans, texts, strict=True)
        return (float(sum(_hit(found, span) for found, t in pairs for span in t.spans)),)

    what = (
        f"{size} texts through the pii suite, each finished case on disk, against the filter alone"
    )
    figure = ("spans_found",)
    return Contest(
        "pii-runner",
        what,
        (
            _side("surefoot eval pii", version, ours, figure),
            _side("loop over the filter", "built in", loop, figure),
        ),
    )


def _row(number: int, text: Planted) -> str:
    row = {"id": str(number), "text": text.text, "spans": [list(span) for span in text.spans]}
    return json.dumps(row) + "\n"


def _hit(found: Sequence[tuple[int, int]], span: tuple[int, int, str]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in found)
