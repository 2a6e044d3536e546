"""Scores as columns, and what a metric is: a function of columns and of how often each case counts.

Pure. A metric is computed for many weightings at once, which is all that a bootstrap needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.types import Better, Score

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
Weights = Floats
Codes = NDArray[np.intp]
Bounds = tuple[float, float]
Statistic = Callable[[Weights], Floats]

UNIT: Bounds = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of shape (n,), NaN where a case has no value, and each case's cluster as a code.

    Codes follow the clusters' names, so that the order of the cases changes nothing.
    """

    columns: Columns
    clusters: Codes

    def __len__(self) -> int:
        return len(self.clusters)


@dataclass(frozen=True, slots=True)
class Sums:
    """A metric that is a function of sums: rows (n, k) of a table, their sums (B, k) to (B,).

    A `quotient` is the first sum over the second, and nothing else.
    """

    rows: Callable[[Columns], Floats]
    of: Callable[[Floats], Floats]
    quotient: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure over columns.

    `value` takes columns (n,) and weights (B, n) and gives (B,), NaN where undefined. `units` is
    the n to print. `binary` names the 0/1/NaN column whose plain mean it is. `reads` are the
    columns read; `rests_on` gives weights (n,), one array for each group of cases that the figure
    would be nothing without (the positives and the negatives of an AUC). `bounds` hold its value;
    None: unbounded. `sums` is set where it is a function of sums. Without `interval` it is a count.
    """

    name: str
    better: Better
    value: Callable[[Columns, Weights], Floats]
    units: Callable[[Columns], int]
    reads: tuple[str, ...]
    rests_on: Callable[[Columns], Sequence[Floats]]
    binary: str | None = None
    headline: bool = True
    bounds: Bounds | None = UNIT
    sums: Sums | None = None
    interval: bool = True


def table(scores: Sequence[Score]) -> Table:
    """Scores as columns; a key that a score lacks is NaN there."""
    names = sorted({name for score in scores for name in score.values})
    columns = {name: _column(scores, name) for name in names}
    clusters = np.array([score.cluster for score in scores], dtype=object)
    return Table(columns, encode(clusters))


def encode(labels: NDArray[np.generic]) -> Codes:
    """Codes 0..C-1 in the order of the sorted labels (n,)."""
    codes: Codes = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.intp)
    return codes


def column(columns: Columns, name: str) -> Floats:
    """A column, or NaN throughout where no case has it."""
    found = columns.get(name)
    if found is not None:
        return found
    return np.full(len(next(iter(columns.values()), np.empty(0))), np.nan)


def plain(metric: Metric, columns: Columns) -> float:
    """The metric with every case counted once. NaN where undefined."""
    size = len(next(iter(columns.values()), np.empty(0)))
    return float(metric.value(columns, np.ones((1, size)))[0])


def used(metric: Metric, columns: Columns) -> NDArray[np.bool_]:
    """Which cases have a part in the metric: (n,)."""
    if metric.sums is not None:
        rows = metric.sums.rows(columns)
        return np.asarray((rows != 0).any(axis=1))
    return present(columns, metric.reads)


def present(columns: Columns, reads: Sequence[str]) -> NDArray[np.bool_]:
    """Which cases have all these columns: (n,)."""
    missing = np.isnan(np.stack([column(columns, name) for name in reads]))
    return np.asarray(~missing.any(axis=0))


def count(columns: Columns, reads: Sequence[str]) -> int:
    """How many cases have all these columns."""
    return int(np.sum(present(columns, reads)))


def by_cluster(rows: Floats, codes: Codes, clusters: int) -> Floats:
    """Rows (n, k) summed within clusters: (C, k)."""
    summed = [np.bincount(codes, rows[:, j], minlength=clusters) for j in range(rows.shape[1])]
    return np.stack(summed, axis=1)


def statistic(metric: Metric, columns: Columns, codes: Codes, clusters: int) -> Statistic:
    """The metric as a function of the clusters' weights: (B, C) to (B,)."""
    sums = metric.sums
    if sums is not None:
        summed = by_cluster(sums.rows(columns), codes, clusters)
        return lambda weights: sums.of(weights @ summed)
    if np.array_equal(codes, np.arange(clusters)):
        return lambda weights: metric.value(columns, weights)
    return lambda weights: metric.value(columns, weights[:, codes])


def take(columns: Columns, rows: NDArray[np.generic]) -> Columns:
    """The same columns of some rows, by mask or place."""
    return {name: values[rows] for name, values in columns.items()}


def independent(metric: Metric, columns: Columns, codes: Codes, clusters: int) -> float:
    """How many cases the figure rests on if all of a cluster say the same (Kish's effective n).

    The least over the groups it can't be without: a perfect AUC from one positive rests on one.
    """
    return min((_kish(part, codes, clusters) for part in metric.rests_on(columns)), default=0.0)


def _kish(part: Floats, codes: Codes, clusters: int) -> float:
    sizes = np.bincount(codes, part, minlength=clusters)
    squares = float(np.sum(sizes**2))
    return float(np.sum(sizes)) ** 2 / squares if squares > 0 else 0.0


def _column(scores: Sequence[Score], name: str) -> Floats:
    values = (score.values.get(name) for score in scores)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
