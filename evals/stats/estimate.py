"""A metric over a table, with its 95 % interval. Pure; the same seed gives the same interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evals.stats.bootstrap import interval, resample
from evals.stats.intervals import Interval, proportion
from evals.stats.tables import Metric, Table, encode, independent, plain, statistic, take, used
from evals.types import Estimate


def estimate(metric: Metric, table: Table, seed: int = 0, resamples: int = 2000) -> Estimate:
    """The metric with its interval; clusters of cases are resampled together.

    A share of cases that share no source has Wilson's interval, or the exact one under 20; all
    else BCa, or what does not flatter where that would. A value that isn't finite is None with its
    n. Raises ValueError for one outside the metric's bounds.
    """
    value, n = plain(metric, table.columns), metric.units(table.columns)
    if n == 0 or np.isnan(value):
        return Estimate(None, None, None, 0)
    if not np.isfinite(value):
        return Estimate(None, None, None, n, "not finite")
    if metric.bounds and not metric.bounds[0] - 1e-9 <= value <= metric.bounds[1] + 1e-9:
        raise ValueError(f"{metric.name} is {value}, not within {metric.bounds}")
    if not metric.interval:
        return Estimate(value, None, None, n, "count")
    found = _share(metric, table) or _resampled(metric, table, seed, resamples)
    return found.estimate(value, n)


def _share(metric: Metric, table: Table) -> Interval | None:
    """The interval of a share of unclustered cases; None if the metric isn't one here."""
    if metric.sums is None or not metric.sums.quotient:
        return None
    keep = used(metric, table.columns)
    rows, codes = metric.sums.rows(table.columns)[keep], table.clusters[keep]
    flags = np.isin(rows, (0.0, 1.0)).all() and bool(np.all(rows[:, 0] <= rows[:, 1]))
    if not flags or len(np.unique(codes)) < len(codes):
        return None
    hits, n = rows.sum(axis=0)
    return proportion(int(hits), int(n))


def _resampled(metric: Metric, table: Table, seed: int, resamples: int) -> Interval:
    keep = used(metric, table.columns)
    columns, codes = take(table.columns, keep), encode(table.clusters[keep])
    clusters = int(codes.max()) + 1
    of = statistic(metric, columns, codes, clusters)
    found = resample(of, clusters, len(codes), seed, resamples)
    made = interval(found, independent(metric, columns, codes, clusters), metric.bounds)
    return made if clusters == len(codes) else replace(made, method=f"{made.method}, by cluster")
