"""Curves of a report, as points. Pure.

Scores of shape (n,) without NaN; equal ones are one threshold. Long curves are thinned to a few
hundred points, evenly along the line; areas are of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.stats.intervals import wilson
from evals.stats.tables import Floats
from evals.stats.weighted import auc, average_precision

POINTS = 300


@dataclass(frozen=True, slots=True, eq=False)
class PrCurve:
    """Precision at each recall, recall ascending; `area` is the average precision."""

    recall: Floats
    precision: Floats
    threshold: Floats
    area: float


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """True positive rate at each false positive rate, from (0, 0) to (1, 1)."""

    fpr: Floats
    tpr: Floats
    threshold: Floats
    area: float


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Bins of equal mass: what was predicted on average, and how often it came (Wilson 95 %).

    `ece` is the expected calibration error: the mean distance of the two.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    n: NDArray[np.intp]
    ece: float


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """Share of wrong ones among the most confident; `area` under it (Geifman, El-Yaniv 2017)."""

    coverage: Floats
    risk: Floats
    threshold: Floats
    area: float


def pr_curve(score: Floats, truth: Floats) -> PrCurve:
    """Raises ValueError without a positive."""
    threshold, shown, hits = counted(score, truth)
    if hits.size == 0 or hits[-1] == 0:
        raise ValueError("no positive case")
    precision, recall = hits / shown, hits / hits[-1]
    area = float(average_precision(score, truth, np.ones((1, len(score))))[0])
    kept = _thin(recall, precision)
    return PrCurve(recall[kept], precision[kept], threshold[kept], area)


def roc_curve(score: Floats, truth: Floats) -> RocCurve:
    """Raises ValueError without a positive or without a negative."""
    threshold, shown, hits = counted(score, truth)
    if hits.size == 0 or hits[-1] in (0, shown[-1]):
        raise ValueError("no positive or no negative case")
    tpr = np.append(0.0, hits / hits[-1])
    fpr = np.append(0.0, (shown - hits) / (shown - hits)[-1])
    area = float(auc(score, truth, np.ones((1, len(score))))[0])
    kept = _thin(fpr, tpr)
    return RocCurve(fpr[kept], tpr[kept], np.append(np.inf, threshold)[kept], area)


def reliability(confidence: Floats, correct: Floats, bins: int = 10) -> Reliability:
    """Up to `bins` bins; equal confidences share one. Raises ValueError without a case."""
    n = len(confidence)
    if n == 0:
        raise ValueError("no case")
    ranked = np.sort(confidence)
    first = np.searchsorted(ranked, confidence, "left")
    codes = np.unique(first * bins // n, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(codes)
    predicted = np.bincount(codes, confidence) / sizes
    observed = np.bincount(codes, correct) / sizes
    ends = [wilson(float(p), int(size)) for p, size in zip(observed, sizes, strict=True)]
    return Reliability(
        predicted,
        observed,
        np.array([end.low for end in ends]),
        np.array([end.high for end in ends]),
        sizes,
        float(np.sum(sizes * np.abs(predicted - observed)) / n),
    )


def risk_coverage(confidence: Floats, correct: Floats) -> RiskCoverage:
    """Raises ValueError without a case."""
    if len(confidence) == 0:
        raise ValueError("no case")
    threshold, kept, right = counted(confidence, correct)
    coverage, risk = kept / kept[-1], 1 - right / kept
    area = float(np.sum(np.diff(coverage, prepend=0.0) * risk))
    few = _thin(coverage, risk)
    return RiskCoverage(coverage[few], risk[few], threshold[few], area)


def counted(score: Floats, truth: Floats) -> tuple[Floats, Floats, Floats]:
    """Thresholds from high to low; how many cases, and how many true ones, reach each."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))
    return ranked[ends], ends.astype(np.float64) + 1, np.cumsum(truth[order])[ends]


def _thin(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Places of at most POINTS points, evenly along the line; the first and last are kept."""
    if len(x) <= POINTS:
        return np.arange(len(x))
    way = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    return np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], POINTS)))
