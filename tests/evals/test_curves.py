"""Curves against scikit-learn, and their ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as known

from evals.stats.curves import POINTS, pr_curve, reliability, risk_coverage, roc_curve
from evals.stats.intervals import wilson


def scored(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random(n) < 0.4) * 1.0
    return np.round(random.normal(size=n) + truth, 1), truth


def test_pr_and_roc_are_scikit_learn_s() -> None:
    score, truth = scored(0, 200)
    precision, recall, thresholds = known.precision_recall_curve(truth, score)
    pr = pr_curve(score, truth)
    np.testing.assert_allclose(pr.precision, precision[:-1][::-1])
    np.testing.assert_allclose(pr.recall, recall[:-1][::-1])
    np.testing.assert_allclose(pr.threshold, thresholds[::-1])
    assert pr.area == pytest.approx(known.average_precision_score(truth, score))
    roc = roc_curve(score, truth)
    fpr, tpr, thresholds = known.roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose([roc.fpr, roc.tpr, roc.threshold], [fpr, tpr, thresholds])
    assert roc.area == pytest.approx(known.roc_auc_score(truth, score))


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    random = np.random.default_rng(1)
    truth = (random.random(5000) < 0.5) * 1.0
    score = random.normal(size=5000) + truth
    curve = roc_curve(score, truth)
    assert 100 < len(curve.fpr) <= POINTS
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.area, abs=2e-3)


def test_failed_cases_stand_at_the_ends() -> None:
    score = np.array([np.inf, 0.9, 0.2, -np.inf])
    curve = roc_curve(score, np.array([0.0, 1.0, 0.0, 1.0]))
    assert curve.area == 0.25
    assert curve.tpr.tolist() == [0, 0, 0.5, 0.5, 1]


def test_reliability() -> None:
    predicted = np.array([0.1] * 10 + [0.9] * 10)
    came = np.array([0.0] * 8 + [1.0] * 2 + [1.0] * 9 + [0.0])
    found = reliability(predicted, came, bins=2)
    assert found.predicted == pytest.approx([0.1, 0.9])
    assert found.observed == pytest.approx([0.2, 0.9])
    assert found.n.tolist() == [10, 10]
    assert found.ece == pytest.approx(0.05)
    assert (found.low[0], found.high[0]) == (wilson(0.2, 10).low, wilson(0.2, 10).high)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=1))
def test_bins_hold_every_case_once_and_split_no_tie(cases: list[tuple[float, bool]]) -> None:
    confidence = np.array([case[0] for case in cases])
    found = reliability(confidence, np.array([float(case[1]) for case in cases]))
    assert found.n.sum() == len(cases)
    assert len(found.n) <= min(10, len(set(confidence)))
    assert np.all(np.diff(found.predicted) > 0)
    assert np.all((found.low <= found.observed) & (found.observed <= found.high))
    assert 0 <= found.ece <= 1


def test_risk_coverage_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.1])
    found = risk_coverage(confidence, np.array([1.0, 1.0, 0.0, 0.0]))
    assert found.coverage.tolist() == [0.25, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 1 / 3, 0.5])
    assert found.threshold.tolist() == [0.9, 0.8, 0.1]
    assert found.area == pytest.approx(0.5 / 3 + 0.25 * 0.5)


@pytest.mark.parametrize(
    ("curve", "score", "truth"),
    [
        (pr_curve, [], []),
        (pr_curve, [0.1], [0.0]),
        (roc_curve, [0.1], [0.0]),
        (roc_curve, [0.1], [1.0]),
        (reliability, [], []),
        (risk_coverage, [], []),
    ],
)
def test_without_cases(curve, score: list[float], truth: list[float]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="no "):
        curve(np.array(score), np.array(truth))
