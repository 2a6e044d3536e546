"""The metrics of all suites, as factories; estimates of them come from here too. Pure.

A metric without cases has no value: None with n = 0, not 0 and not NaN. Flags are 0 or 1, and NaN
where a case does not apply; a case that lacks a value a metric reads has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from evals.stats import weighted
from evals.stats.estimate import estimate
from evals.stats.intervals import rate
from evals.stats.tables import (
    UNIT,
    Bounds,
    Columns,
    Floats,
    Metric,
    Sums,
    Table,
    Weights,
    column,
    count,
    plain,
    present,
    table,
    take,
)
from evals.stats.weighted import divide
from evals.types import Better

__all__ = ["Columns", "Metric", "Table", "Weights", "estimate", "plain", "rate", "table"]

Form = Callable[..., tuple[Floats, ...]]


def mean(
    name: str,
    column: str,
    better: Better = "higher",
    headline: bool = True,
    bounds: Bounds | None = UNIT,
) -> Metric:
    """Mean of a column over the cases that have it. Give `bounds` None where it isn't in 0..1."""
    made = _quotient(name, (column,), lambda value: (value, np.ones_like(value)))
    return replace(made, better=better, headline=headline, bounds=bounds)


def share(name: str, column: str, better: Better = "higher", headline: bool = True) -> Metric:
    """How many of the cases that have a flag have it set."""
    return replace(mean(name, column, better, headline), binary=column)


def ratio(
    name: str,
    top: str,
    bottom: str,
    better: Better = "higher",
    headline: bool = True,
    bounds: Bounds | None = UNIT,
    count_bottom: bool = False,
) -> Metric:
    """Sum over sum. n: the cases with a bottom, or with `count_bottom` the bottom's sum.

    Give `bounds` None where it isn't in 0..1.
    """
    made = _quotient(name, (top, bottom), lambda over, under: (over, under), count_bottom)
    return replace(made, better=better, headline=headline, bounds=bounds)


def exp_ratio(
    name: str, top: str, bottom: str, better: Better = "lower", headline: bool = True
) -> Metric:
    """exp(sum over sum), such as perplexity from natural-log losses and token counts."""
    made = ratio(name, top, bottom, better, headline, (0.0, np.inf))
    assert made.sums is not None

    def of(sums: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.exp(divide(sums[:, 0], sums[:, 1]))

    return _with_sums(made, Sums(made.sums.rows, of))


def total(name: str, column: str) -> Metric:
    """Sum of a column: a count, without an interval, that nothing is judged by."""
    made = mean(name, column, "neither", False, None)
    assert made.sums is not None
    counted = _with_sums(made, Sums(made.sums.rows, lambda sums: sums[:, 0]))
    return replace(counted, interval=False)


def f_beta(
    name: str,
    hits_predicted: str,
    predicted: str,
    hits_gold: str,
    gold: str,
    beta: float,
    better: Better = "higher",
    headline: bool = True,
) -> Metric:
    """F of precision (hits over predicted) and recall (hits over gold), each summed over cases.

    0 where either is 0 or has nothing to count, undefined where both have nothing.
    """

    def of(sums: Floats) -> Floats:
        found = np.nan_to_num(divide(sums[:, 0], sums[:, 1]))
        reached = np.nan_to_num(divide(sums[:, 2], sums[:, 3]))
        bottom = beta**2 * found + reached
        value = np.nan_to_num(divide((1 + beta**2) * found * reached, bottom))
        return np.where(sums[:, 1] + sums[:, 3] > 0, value, np.nan)

    reads = (hits_predicted, predicted, hits_gold, gold)
    rows = _rows(reads, lambda *columns: columns)
    made = _summed(name, reads, Sums(rows, of), lambda parts: [parts[:, 1] + parts[:, 3]])
    return replace(made, better=better, headline=headline)


def precision(
    name: str, said: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """How much of what was flagged is true. n: the flagged."""
    made = _quotient(name, (said, truth), lambda s, t: (s * t, s))
    return replace(made, better=better, headline=headline)


def recall(
    name: str, said: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """How much of what is true was flagged. n: the true."""
    made = _quotient(name, (said, truth), lambda s, t: (s * t, t))
    return replace(made, better=better, headline=headline)


def f1(
    name: str, said: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """2 TP / (2 TP + FP + FN), undefined without any of them. n: all cases."""
    made = _quotient(name, (said, truth), lambda s, t: (2 * s * t, s + t))
    return replace(_of_all(made), better=better, headline=headline)


def f1_flag_all(name: str, truth: str) -> Metric:
    """The F1 of flagging every case: what an F1 printed beside it has to beat."""
    made = _quotient(name, (truth,), lambda t: (2 * t, 1 + t))
    return replace(_of_all(made), better="neither", headline=False)


def balanced_accuracy(
    name: str, said: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """The mean of the recalls of the true and of the untrue. Undefined without either."""

    def of(sums: Floats) -> Floats:
        return (divide(sums[:, 0], sums[:, 1]) + divide(sums[:, 2], sums[:, 3])) / 2

    rows = _rows((said, truth), lambda s, t: (s * t, t, (1 - s) * (1 - t), 1 - t))
    sums = Sums(rows, of)
    made = _summed(name, (said, truth), sums, lambda parts: [parts[:, 1], parts[:, 3]])
    return replace(made, better=better, headline=headline)


def auc(
    name: str, score: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """Area under the ROC curve, ties one half. Undefined without a positive or a negative."""
    return replace(_ranked(name, score, truth, weighted.auc), better=better, headline=headline)


def average_precision(
    name: str, score: str, truth: str, better: Better = "higher", headline: bool = True
) -> Metric:
    """Area under the precision-recall curve, by steps. Undefined without a positive."""
    made = _ranked(name, score, truth, weighted.average_precision)
    return replace(made, better=better, headline=headline)


def recall_at_fpr(
    name: str, score: str, truth: str, fpr: float, better: Better = "higher", headline: bool = True
) -> Metric:
    """The highest recall of a finite threshold with a false positive rate of at most `fpr`."""
    made = _ranked(name, score, truth, partial(weighted.recall_at_fpr, fpr=fpr))
    return replace(made, better=better, headline=headline)


def aurc(name: str, score: str, wrong: str, headline: bool = False) -> Metric:
    """Area under the risk-coverage curve: the risk averaged over how many are kept. n: all."""
    made = replace(_ranked(name, score, wrong, weighted.aurc), better="lower", headline=headline)
    return _resting_on_all(made)


def ece(name: str, score: str, truth: str, headline: bool = False) -> Metric:
    """Expected calibration error of a probability, over ten bins of equal mass."""
    made = replace(_ranked(name, score, truth, weighted.ece), better="lower", headline=headline)
    return _resting_on_all(made)


def brier(name: str, score: str, truth: str, headline: bool = False) -> Metric:
    """Mean squared distance of a probability and the truth (Brier, 1950)."""
    made = _quotient(
        name, (score, truth), lambda s, t: ((np.clip(s, 0.0, 1.0) - t) ** 2, np.ones_like(t))
    )
    return replace(made, better="lower", headline=headline)


def _resting_on_all(metric: Metric) -> Metric:
    def rests_on(columns: Columns) -> list[Floats]:
        return [present(columns, metric.reads).astype(np.float64)]

    return replace(metric, rests_on=rests_on)


def _ranked(
    name: str, score: str, truth: str, kernel: Callable[[Floats, Floats, Weights], Floats]
) -> Metric:
    reads = (score, truth)

    def value(columns: Columns, weights: Weights) -> Floats:
        has = present(columns, reads)
        if not has.all():
            columns, weights = take(columns, has), weights[:, has]
        return kernel(column(columns, score), column(columns, truth), weights)

    def rests_on(columns: Columns) -> list[Floats]:
        truths = np.where(present(columns, reads), column(columns, truth), np.nan)
        return [(truths == 1) * 1.0, (truths == 0) * 1.0]

    return Metric(name, "higher", value, partial(count, reads=reads), reads, rests_on)


def _quotient(name: str, reads: tuple[str, ...], form: Form, count_bottom: bool = False) -> Metric:
    """First sum over second; n counts the cases with a second, or is its sum."""
    rows = _rows(reads, form)

    def units(columns: Columns) -> int:
        bottom = rows(columns)[:, 1]
        return round(float(bottom.sum())) if count_bottom else int(np.sum(bottom > 0))

    sums = Sums(rows, lambda summed: divide(summed[:, 0], summed[:, 1]), quotient=True)
    return replace(_summed(name, reads, sums, lambda parts: [parts[:, 1]]), units=units)


def _summed(
    name: str, reads: tuple[str, ...], sums: Sums, weigh: Callable[[Floats], list[Floats]]
) -> Metric:
    return Metric(
        name,
        "higher",
        value=partial(_summed_value, sums),
        units=partial(count, reads=reads),
        reads=reads,
        rests_on=lambda columns: weigh(sums.rows(columns)),
        sums=sums,
    )


def _with_sums(metric: Metric, sums: Sums) -> Metric:
    return replace(metric, sums=sums, value=partial(_summed_value, sums))


def _summed_value(sums: Sums, columns: Columns, weights: Weights) -> Floats:
    return sums.of(weights @ sums.rows(columns))


def _of_all(metric: Metric) -> Metric:
    """The same, its n all the cases that have what it reads."""
    return replace(metric, units=partial(count, reads=metric.reads))


def _rows(reads: tuple[str, ...], form: Form) -> Callable[[Columns], Floats]:
    """What each case adds to the sums: (n, k), zeros for a case that lacks a value."""

    def rows(columns: Columns) -> Floats:
        parts = np.stack(form(*(column(columns, name) for name in reads)))
        return np.where(present(columns, reads), parts, 0.0).T

    return rows
