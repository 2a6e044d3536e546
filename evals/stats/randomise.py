"""Tests of no difference between two systems on the same cases, and Holm's adjustment. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from evals.stats.bootstrap import CHUNK
from evals.stats.pairing import Pairs
from evals.stats.tables import Floats, Metric, Statistic, by_cluster, column

EXACT_UP_TO = 10
_ROUNDING = 1e-9


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p of cases that turned (McNemar, 1947): binomial with one half."""
    turned = lost + won
    if turned == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(lost, won), turned, 0.5)))


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being tested together (Holm, Scand. J. Statistics 1979)."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = least
    return adjusted


def exchanged(metric: Metric, pairs: Pairs, seed: int, resamples: int) -> float:
    """Two-sided p by exchanging the systems' scores of clusters (Noreen, 1989).

    All exchanges where at most ten clusters differ, else random ones with (hits + 1) / (R + 1):
    both hold the level whatever the metric.
    """
    places = np.flatnonzero(pairs.differing(metric))
    if len(places) == 0:
        return 1.0
    of = _difference(metric, pairs)
    observed = abs(float(of(np.zeros((1, pairs.clusters)))[0]))
    found = [np.abs(of(swaps)) for swaps in _swaps(places, pairs, seed, resamples)]
    apart = np.concatenate(found)
    # An exchange that leaves the metric undefined counts as a hit: it can't speak against the null.
    hits = int(np.sum(~(apart < observed - _ROUNDING * max(1.0, observed))))
    return hits / len(apart) if len(places) <= EXACT_UP_TO else (hits + 1) / (len(apart) + 1)


def _difference(metric: Metric, pairs: Pairs) -> Statistic:
    """Candidate less baseline as a function of which clusters are exchanged: (R, C) to (R,)."""
    sums = metric.sums
    if sums is not None:
        before = by_cluster(sums.rows(pairs.baseline), pairs.codes, pairs.clusters)
        after = by_cluster(sums.rows(pairs.candidate), pairs.codes, pairs.clusters)
        return lambda swaps: (
            sums.of(after.sum(axis=0) + swaps @ (before - after))
            - sums.of(before.sum(axis=0) + swaps @ (after - before))
        )
    both = {
        name: np.concatenate([column(pairs.baseline, name), column(pairs.candidate, name)])
        for name in metric.reads
    }

    def of(swaps: Floats) -> Floats:
        swapped = swaps[:, pairs.codes]
        after = metric.value(both, np.concatenate([swapped, 1 - swapped], axis=1))
        return after - metric.value(both, np.concatenate([1 - swapped, swapped], axis=1))

    return of


def _swaps(places: NDArray[np.intp], pairs: Pairs, seed: int, resamples: int) -> Iterator[Floats]:
    exact = len(places) <= EXACT_UP_TO
    wanted = 2 ** len(places) if exact else resamples
    random = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, 2 * pairs.n))
    for begin in range(0, wanted, step):
        count = min(step, wanted - begin)
        swaps = np.zeros((count, pairs.clusters))
        if exact:
            numbers = np.arange(begin, begin + count)[:, None]
            swaps[:, places] = (numbers >> np.arange(len(places))) & 1
        else:
            swaps[:, places] = random.integers(0, 2, (count, len(places)))
        yield swaps
