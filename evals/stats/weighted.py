"""Rank metrics of weighted cases, many weightings at once. Pure arrays; ties are one threshold.

`score` and `truth` have shape (n,), without NaN; infinite scores rank first or last. `weights` has
shape (B, n). Sorted once a call.
"""

from __future__ import annotations

import numpy as np

from evals.stats.tables import Codes, Floats, Weights


def divide(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    bottom = np.broadcast_to(bottom, top.shape)
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def auc(score: Floats, truth: Floats, weights: Weights) -> Floats:
    """P(a positive outranks a negative), ties one half (Hanley and McNeil, 1982). (B,)"""
    up, down = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    down = down[np.argsort(score[down], kind="stable")]
    ahead, behind = weights[:, up], weights[:, down]
    below = np.zeros((len(weights), len(down) + 1))
    np.cumsum(behind, axis=1, out=below[:, 1:])
    left = np.searchsorted(score[down], score[up], "left")
    right = np.searchsorted(score[down], score[up], "right")
    won = np.einsum("ij,ij->i", ahead, below[:, left])
    if not np.array_equal(left, right):
        won = (won + np.einsum("ij,ij->i", ahead, below[:, right])) / 2
    return divide(won, ahead.sum(axis=1) * below[:, -1])


def average_precision(score: Floats, truth: Floats, weights: Weights) -> Floats:
    """Sum of (R_k - R_k-1) P_k over thresholds, without interpolation, as scikit-learn's. (B,)"""
    if not len(score):
        return np.full(len(weights), np.nan)
    order, ends = _thresholds(score)
    hits, shown = _counted(truth, weights, order, ends)
    precision = np.nan_to_num(divide(hits, shown))
    gained = np.diff(hits, axis=1, prepend=0.0)
    return divide(np.einsum("ij,ij->i", gained, precision), hits[:, -1])


def recall_at_fpr(score: Floats, truth: Floats, weights: Weights, fpr: float) -> Floats:
    """The highest recall at a finite threshold with at most this false positive rate, or 0. (B,)"""
    if not len(score):
        return np.full(len(weights), np.nan)
    order, ends = _thresholds(score)
    hits, shown = _counted(truth, weights, order, ends)
    false = divide(shown - hits, (shown - hits)[:, -1:])
    recall = divide(hits, hits[:, -1:])
    allowed = (false <= fpr + 1e-12) & np.isfinite(score[order[ends]])
    best = np.max(np.where(allowed, recall, 0.0), axis=1)
    return np.where(np.isnan(false[:, -1] + recall[:, -1]), np.nan, best)


def aurc(score: Floats, wrong: Floats, weights: Weights) -> Floats:
    """Area under the share of wrong ones among those kept, highest first, over coverage. (B,)

    After El-Yaniv and Wiener (JMLR 2010), Geifman and El-Yaniv (2017); equal scores are one step.
    """
    if not len(score):
        return np.full(len(weights), np.nan)
    order, ends = _thresholds(score)
    lost, kept = _counted(wrong, weights, order, ends)
    gained = np.diff(kept, axis=1, prepend=0.0)
    return divide(np.einsum("ij,ij->i", gained, np.nan_to_num(divide(lost, kept))), kept[:, -1])


def ece(score: Floats, truth: Floats, weights: Weights, bins: int = 10) -> Floats:
    """Mean distance of score and truth over `bins` of equal mass; equal scores share one. (B,)

    The expected calibration error (Naeini et al., AAAI 2015) of scores as probabilities; scores
    outside of 0 to 1 count as the nearer end.
    """
    if not len(score):
        return np.full(len(weights), np.nan)
    score = np.clip(score, 0.0, 1.0)
    order = np.argsort(score, kind="stable")
    ranked, weighed = score[order], weights[:, order]
    mass = np.cumsum(weighed, axis=1)
    before = np.hstack([np.zeros((len(weights), 1)), mass])
    total = mass[:, -1:]
    below = before[:, np.searchsorted(ranked, ranked, "left")]
    binned = np.nan_to_num(divide(below * bins, total)).astype(np.intp).clip(0, bins - 1)
    places = binned + bins * np.arange(len(weights))[:, None]
    gaps = weighed * (ranked - truth[order])
    summed = np.bincount(places.reshape(-1), gaps.reshape(-1), minlength=bins * len(weights))
    return divide(np.abs(summed.reshape(-1, bins)).sum(axis=1), total[:, 0])


def _thresholds(score: Floats) -> tuple[Codes, Codes]:
    """Places from the highest score to the lowest, and where each run of equal scores ends."""
    order = np.argsort(-score, kind="stable").astype(np.intp)
    ranked = score[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return order, ends.astype(np.intp)


def _counted(truth: Floats, weights: Weights, order: Codes, ends: Codes) -> tuple[Floats, Floats]:
    """Positives, and cases, at or above each threshold: (B, thresholds) each."""
    ranked = weights[:, order]
    shown = np.cumsum(ranked, axis=1)
    ranked *= truth[order] == 1
    hits = np.cumsum(ranked, axis=1, out=ranked)
    if len(ends) == len(order):
        return hits, shown
    return hits[:, ends], shown[:, ends]
