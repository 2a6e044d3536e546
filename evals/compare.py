"""Two runs of the same cases, paired: how far apart, how sure, and what could have been seen.

Pure. The interval is a bootstrap of the difference, the same clusters on both sides. The test is
McNemar's exact one for flags of cases that share no source, else paired approximate randomisation:
under the null it does not matter which system a cluster's scores came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evals.stats.bootstrap import Resampled, difference, resample
from evals.stats.pairing import Pairs, pair
from evals.stats.randomise import exchanged, holm, mcnemar
from evals.stats.tables import Metric, column, independent, plain, statistic
from evals.types import Better, ScoredCase

Verdict = Literal["regression", "improvement", "no evidence", "no cases", "not judged"]

# A two-sided test at 5 % sees 80 % of differences of this many standard errors,
POWER_ERRORS = 2.8016
# and 80 % of shares that turn cases only one way when this many are expected to turn: six that
# do are significant, and P(Poisson(7.9) >= 6) = 0.8.
POWER_TURNS = 7.906


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of two runs. `difference` is candidate less baseline, on the cases of both.

    `low` and `high` are its 95 % interval. `p` is two-sided; `p_holm` is adjusted for the other
    headline metrics, None where the metric isn't judged. `detectable` is the smallest difference
    found four times in five at a p of 0.05; None: not known. `n` is the smaller of the two.
    """

    metric: str
    better: Better
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    test: str
    detectable: float | None
    n: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Compared:
    """All metrics of two runs, and how many cases were paired, or left out and why."""

    comparisons: tuple[Comparison, ...]
    paired: int
    only_baseline: int
    only_candidate: int
    changed: int


def compare(
    metrics: Sequence[Metric],
    baseline: Sequence[ScoredCase],
    candidate: Sequence[ScoredCase],
    alpha: float = 0.05,
    seed: int = 0,
    resamples: int = 2000,
) -> Compared:
    """Compare by the metrics; headline ones with a better side are judged together (Holm, 1979).

    So one false alarm or more, over all of them, has a chance of at most `alpha`.
    """
    pairs = pair(baseline, candidate)
    made = [_compare(metric, pairs, seed, resamples) for metric in metrics]
    judged = [
        metric.headline and metric.better != "neither" and comparison.p is not None
        for metric, comparison in zip(metrics, made, strict=True)
    ]
    ps = [c.p for c, counts in zip(made, judged, strict=True) if counts and c.p is not None]
    adjusted = iter(holm(ps))
    ended = tuple(
        _judge(c, next(adjusted) if counts else None, alpha)
        for c, counts in zip(made, judged, strict=True)
    )
    return Compared(ended, pairs.n, pairs.only_baseline, pairs.only_candidate, pairs.changed)


def _compare(metric: Metric, pairs: Pairs, seed: int, resamples: int) -> Comparison:
    before, after = plain(metric, pairs.baseline), plain(metric, pairs.candidate)
    n = min(metric.units(pairs.baseline), metric.units(pairs.candidate))
    if n == 0 or not np.isfinite(after - before):
        return _without(metric, before, after, n)
    kept = pairs.used(metric)
    found = _resampled(metric, kept, seed, resamples)
    limits = difference(found, _worst(metric, kept), _width(metric)).estimate(found.value, n)
    p, test = _test(metric, kept, seed, resamples)
    return Comparison(
        metric.name, metric.better, before, after, after - before, limits.low, limits.high,
        p, None, test, _detectable(metric, kept, found), n, "not judged",
    )  # fmt: skip


def _without(metric: Metric, before: float, after: float, n: int) -> Comparison:
    values = [value if np.isfinite(value) else None for value in (before, after)]
    return Comparison(
        metric.name, metric.better, values[0], values[1], None, None, None, None, None,
        "", None, n, "no cases",
    )  # fmt: skip


def _resampled(metric: Metric, pairs: Pairs, seed: int, resamples: int) -> Resampled:
    before = statistic(metric, pairs.baseline, pairs.codes, pairs.clusters)
    after = statistic(metric, pairs.candidate, pairs.codes, pairs.clusters)
    return resample(
        lambda weights: after(weights) - before(weights), pairs.clusters, pairs.n, seed, resamples
    )


def _width(metric: Metric) -> float | None:
    """How far apart two values can be; None if there is no end to it."""
    if metric.bounds is None or not np.isfinite(metric.bounds).all():
        return None
    return metric.bounds[1] - metric.bounds[0]


def _worst(metric: Metric, pairs: Pairs) -> float:
    sides = (pairs.baseline, pairs.candidate)
    least = min(independent(metric, side, pairs.codes, pairs.clusters) for side in sides)
    return max(least, 1.0)


def _test(metric: Metric, pairs: Pairs, seed: int, resamples: int) -> tuple[float, str]:
    if metric.binary is not None and pairs.clusters == pairs.n:
        before = column(pairs.baseline, metric.binary)
        after = column(pairs.candidate, metric.binary)
        if not np.isnan(before - after).any():
            lost, won = np.sum(before > after), np.sum(before < after)
            return mcnemar(int(lost), int(won)), "exact McNemar"
    return exchanged(metric, pairs, seed, resamples), "paired randomisation"


def _detectable(metric: Metric, pairs: Pairs, found: Resampled) -> float | None:
    """Not less than what the number of cases allows: without any turned, the error would be 0."""
    seen = POWER_ERRORS * found.error if np.isfinite(found.error) else 0.0
    width = _width(metric)
    if width is None:
        return seen or None
    if metric.binary is not None:
        return min(width, max(seen, POWER_TURNS / pairs.n))
    return min(width, seen or width * POWER_TURNS / _worst(metric, pairs))


def _judge(made: Comparison, p: float | None, alpha: float) -> Comparison:
    if made.verdict == "no cases" or p is None or made.difference is None:
        return made
    better = made.difference > 0 if made.better == "higher" else made.difference < 0
    verdict: Verdict = "no evidence"
    if p <= alpha:
        verdict = "improvement" if better else "regression"
    return replace(made, p_holm=p, verdict=verdict)
