"""Intervals by resampling clusters of cases. Pure; the same seed gives the same interval.

A statistic takes weights (B, C), how often each of C clusters counts, and gives (B,).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from evals.stats.intervals import Interval, effective_n, student, wilson
from evals.stats.tables import Bounds, Floats, Statistic, Weights

CHUNK = 2_000_000
GROUPS = 200
FEW = 10
EDGE = 5.0


@dataclass(frozen=True, slots=True)
class Resampled:
    """A figure, what it came to in resamples (B,), and with each group of clusters left out (G,).

    Resamples where it is undefined are left out.
    """

    value: float
    draws: Floats
    without: Floats
    clusters: int

    @property
    def error(self) -> float:
        """Standard error: the spread of the resamples, unbiased for few clusters."""
        if len(self.draws) < 2 or self.clusters < 2:
            return float("nan")
        narrow = np.sqrt(self.clusters / (self.clusters - 1))
        return float(np.std(self.draws, ddof=1) * narrow)

    @property
    def constant(self) -> bool:
        """True if no resample differs from the figure but by rounding."""
        return bool(np.all(np.abs(self.draws - self.value) <= _rounding(self.value)))


def resample(
    statistic: Statistic, clusters: int, cases: int, seed: int, resamples: int
) -> Resampled:
    """Draw clusters with replacement, as many as there are; `cases` only bounds the memory."""
    value = float(statistic(np.ones((1, clusters)))[0])
    chunks = _draws(clusters, max(clusters, cases), seed, resamples)
    draws = np.concatenate([statistic(weights) for weights in chunks])
    without = _jackknife(statistic, clusters, max(clusters, cases))
    return Resampled(value, draws[np.isfinite(draws)], without[np.isfinite(without)], clusters)


def interval(found: Resampled, worst: float, bounds: Bounds | None) -> Interval:
    """BCa in general; for a figure near a bound, or from few clusters, what does not flatter.

    `worst` is how many independent cases the figure rests on at least. Bounded figures fall back
    on Wilson's interval with an effective n, since no figure of 0 to 1 varies more than a share
    does; others on the jackknife's. Without any variation an unbounded one has none.
    """
    if bounds is None or not np.isfinite(bounds).all():
        return _unbounded(found, bounds)
    low, width = bounds[0], bounds[1] - bounds[0]
    share = min(1.0, max(0.0, (found.value - low) / width))
    variance = _variance(found.without) / width**2
    n = effective_n(share, variance, found.clusters - 1, max(worst, 1.0))
    near = wilson(share, n)
    close = Interval(low + width * near.low, low + width * near.high, "Wilson, effective n")
    if found.constant or n * min(share, 1 - share) < EDGE:
        return close.around(found.value)
    made = _bca(found)
    return _wider(made, close) if min(worst, found.clusters) < FEW else made.around(found.value)


def difference(found: Resampled, worst: float, width: float | None) -> Interval:
    """Of two systems' paired difference, within -width..width: the bootstrap's error times t.

    Differences are nearly symmetric; with 12 clusters BCa's ends cover too little of them. Where
    nothing turned it goes as far as Wilson's would for none of `worst` independent cases.
    """
    limit = np.inf if width is None else width
    half = student(max(1.0, worst - 1)) * found.error
    if found.constant or not np.isfinite(half):
        half = limit * wilson(0.0, max(worst, 1.0)).high
    low, high = max(-limit, found.value - half), min(limit, found.value + half)
    return Interval(low, high, "bootstrap").around(found.value)


def _unbounded(found: Resampled, bounds: Bounds | None) -> Interval:
    if found.clusters < 2 or found.constant:
        return Interval(-np.inf, np.inf, "no variation seen")
    made = _bca(found)
    if found.clusters < FEW:
        half = student(found.clusters - 1) * float(np.sqrt(_variance(found.without)))
        least = -np.inf if bounds is None else bounds[0]
        low, high = max(least, found.value - half), found.value + half
        made = _wider(made, Interval(low, high, "jackknife t"))
    return made.around(found.value)


def _bca(found: Resampled) -> Interval:
    """Bias-corrected and accelerated (Efron, JASA 1987), expanded for small samples.

    The expansion (Hesterberg, The American Statistician 2015) is Student's t in place of the
    normal, and sqrt(n / (n - 1)), since resamples vary less than samples.
    """
    below = np.sum(found.draws < found.value - _rounding(found.value))
    level = np.sum(np.abs(found.draws - found.value) <= _rounding(found.value))
    count = len(found.draws)
    share = np.clip((below + level / 2) / count, 0.5 / count, 1 - 0.5 / count)
    bias, skew = float(ndtri(share)), _acceleration(found.without)
    n = found.clusters
    reach = np.array([-1.0, 1.0]) * student(n - 1) * np.sqrt(n / (n - 1))
    bent = np.maximum(1 - skew * (bias + reach), 0.1)
    low, high = np.quantile(found.draws, ndtr(bias + (bias + reach) / bent))
    return Interval(float(low), float(high), "BCa bootstrap").around(found.value)


def _acceleration(without: Floats) -> float:
    away = without.mean() - without if len(without) else without
    spread = float(np.sum(away**2))
    return float(np.sum(away**3)) / (6 * spread**1.5) if spread > 0 else 0.0


def _variance(without: Floats) -> float:
    """The jackknife's variance, with a group of clusters left out at a time."""
    groups = len(without)
    return (groups - 1) * float(np.var(without)) if groups else 0.0


def _draws(clusters: int, size: int, seed: int, resamples: int) -> Iterator[Weights]:
    random = np.random.default_rng(seed)
    step = max(1, CHUNK // size)
    for begin in range(0, resamples, step):
        count = min(step, resamples - begin)
        picked = random.integers(0, clusters, (count, clusters))
        picked += np.arange(count)[:, None] * clusters
        counts = np.bincount(picked.reshape(-1), minlength=count * clusters)
        yield counts.reshape(count, clusters).astype(np.float64)


def _jackknife(statistic: Statistic, clusters: int, size: int) -> Floats:
    groups = min(GROUPS, clusters)
    group = np.arange(clusters) % groups
    step = max(1, CHUNK // size)
    chunks = [np.arange(i, min(i + step, groups)) for i in range(0, groups, step)]
    return np.concatenate([statistic((group != c[:, None]).astype(np.float64)) for c in chunks])


def _wider(first: Interval, second: Interval) -> Interval:
    method = f"{first.method} with {second.method}"
    return Interval(min(first.low, second.low), max(first.high, second.high), method)


def _rounding(value: float) -> float:
    return 1e-12 * max(1.0, abs(value))
