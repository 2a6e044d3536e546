"""Choosing a trust on cases: the largest coverage, ties whole, bounds that hold, folds apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from evals.stats.calibration import (
    Judged,
    choose,
    curve,
    enough,
    held_out,
    point,
    risk_bound,
    upper,
)
from evals.stats.curves import reliability, risk_coverage
from evals.stats.weighted import aurc, ece

NAN = float("nan")
Case = tuple[float, bool, int]
TRUSTS = st.sampled_from([NAN, 0.0, 0.2, 0.5, 0.7, 0.9, 1.0])
CASES = st.lists(st.tuples(TRUSTS, st.booleans(), st.integers(0, 9)), min_size=1, max_size=60)
TARGETS = st.sampled_from([0.01, 0.05, 0.2, 0.5, 0.99])


def judged(*rows: Case) -> Judged:
    trust, wrong, clusters = zip(*rows, strict=True)
    return Judged(np.array(trust), np.array(wrong, dtype=float), np.array(clusters))


def plain(*rows: tuple[float, bool]) -> Judged:
    return judged(*((trust, wrong, i) for i, (trust, wrong) in enumerate(rows)))


@pytest.mark.parametrize(
    ("rows", "target", "trust"),
    [
        ([(0.9, False), (0.8, False), (0.1, True)], 0.05, 0.8),
        ([(0.9, False), (0.8, False), (0.1, True)], 0.34, 0.1),
        # The largest coverage, also where the risk rose and fell again before it.
        ([(0.9, True), (0.8, False), (0.7, False), (0.6, False)], 0.25, 0.6),
        # Equal ones are one step: half of them can't be kept.
        ([(0.9, False), (0.8, False), (0.8, True)], 0.05, 0.9),
        ([(0.9, True), (0.8, False)], 0.05, None),
        ([(NAN, False)], 0.05, None),
    ],
)
def test_the_choice(rows: list[tuple[float, bool]], target: float, trust: float | None) -> None:
    assert choose(plain(*rows), target) == trust


@given(CASES, TARGETS)
def test_no_other_threshold_answers_more_within_the_target(rows: list[Case], target: float) -> None:
    cases = judged(*rows)
    trust = choose(cases, target)
    mine = 0 if trust is None else point(cases, cases.kept(trust)).answers
    for other in {row[0] for row in rows if row[0] == row[0]}:
        found = point(cases, cases.kept(other))
        assert found.risk is not None
        assert found.answers <= mine or found.risk > target
    if trust is not None:
        assert point(cases, cases.kept(trust)).risk <= target + 1e-9  # type: ignore[operator]


@given(CASES, TARGETS, TARGETS)
def test_more_risk_is_never_less_coverage(rows: list[Case], one: float, other: float) -> None:
    cases, (low, high) = judged(*rows), sorted((one, other))
    strict, loose = choose(cases, low), choose(cases, high)
    assert strict is None or (loose is not None and loose <= strict)


@given(CASES, TARGETS, st.randoms(use_true_random=False))
def test_the_order_of_cases_changes_nothing(
    rows: list[Case], target: float, chance: object
) -> None:
    mixed = list(rows)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    before, after = judged(*rows), judged(*mixed)
    assert choose(before, target) == choose(after, target)
    assert curve(before) == curve(after)
    one, two = held_out(before, target), held_out(after, target)
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert point(before, one) == pytest.approx(point(after, two))


@given(CASES)
def test_a_curve_answers_more_with_every_step(rows: list[Case]) -> None:
    cases = judged(*rows)
    answers = [point(cases, cases.kept(trust)).answers for trust in curve(cases)]
    assert answers == sorted(set(answers))
    assert (answers or [0])[-1] == int(np.sum(~np.isnan(cases.trust)))
    assert len(answers) <= 11


def test_without_answers_nothing_is_said_and_nothing_promised() -> None:
    found = point(plain((NAN, False), (NAN, False)), np.zeros(2, dtype=bool))
    assert (found.answers, found.coverage, found.risk, found.risk_upper) == (0, 0.0, None, 1.0)
    with pytest.raises(ValueError, match="no case"):
        point(judged((0.5, True, 0)).take(np.array([False])), np.zeros(0, dtype=bool))


@pytest.mark.parametrize(("failures", "n"), [(0, 1), (0, 59), (3, 60), (7, 8), (20, 200)])
def test_the_bound_is_clopper_and_pearson_s(failures: int, n: int) -> None:
    assert binom.cdf(failures, n, upper(failures, n)) == pytest.approx(0.05)
    assert upper(n, n) == 1.0


def test_how_many_it_takes_to_promise() -> None:
    assert enough(0.05) == 59
    assert upper(0, 59) <= 0.05 < upper(0, 58)


def test_shared_sources_promise_less() -> None:
    wrong = np.repeat([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10)
    alone, shared = risk_bound(wrong, np.arange(60)), risk_bound(wrong, np.arange(60) // 10)
    assert alone == pytest.approx(upper(10, 60))
    assert shared > alone + 0.1
    assert risk_bound(wrong, np.zeros(60, dtype=np.intp)) > shared


def test_each_fold_is_judged_by_a_choice_made_without_it() -> None:
    """In one cluster all high trusts are wrong: it alone can't know that."""
    bad = [(0.9, True, 0)] * 5
    good = [(0.9, False, c) for c in range(1, 9)]
    cases = judged(*bad, *good)
    kept = held_out(cases, 0.05, folds=9)
    assert kept is not None
    assert kept[:5].all()
    assert not kept[5:].any()
    assert held_out(judged(*bad), 0.05) is None


def test_honest_scores_have_little_calibration_error_and_others_much() -> None:
    chance = np.random.default_rng(3)
    score = chance.random(20_000)
    truth = (chance.random(20_000) < score).astype(np.float64)
    ones = np.ones((1, len(score)))
    assert ece(score, truth, ones)[0] < 0.015
    assert ece(score**3, truth, ones)[0] > 0.2
    assert ece(np.full(20_000, 0.5), truth, ones)[0] == pytest.approx(abs(truth.mean() - 0.5))


@given(CASES)
def test_weighted_kernels_are_those_of_the_curves(rows: list[Case]) -> None:
    known = [(trust, float(wrong)) for trust, wrong, _ in rows if trust == trust]
    if not known:
        return
    score, truth = (np.array(values) for values in zip(*known, strict=True))
    ones = np.ones((2, len(score)))
    assert ece(score, truth, ones) == pytest.approx(reliability(score, truth).ece)
    assert aurc(score, truth, ones) == pytest.approx(risk_coverage(score, 1 - truth).area)


def test_failed_cases_are_as_wrong_as_can_be() -> None:
    """Scores beside 0 to 1 mark them."""
    one = np.ones((1, 1))
    assert ece(np.array([-1.0]), np.array([1.0]), one) == 1.0
    assert ece(np.array([2.0]), np.array([0.0]), one) == 1.0
