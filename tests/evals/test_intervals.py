"""Intervals of proportions against published tables, and what an effective n may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics import Table, auc, estimate, mean, share
from evals.stats.intervals import clopper_pearson, effective_n, proportion, rate, student, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(successes: int, n: int, low: float, high: float) -> None:
    found = rate(successes, n)
    assert found.value == successes / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, table I, method 5.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
        # No failure of n: 0.025 ** (1 / n).
        (10, 10, 0.025**0.1, 1.0),
    ],
)
def test_clopper_pearson(successes: int, n: int, low: float, high: float) -> None:
    found = clopper_pearson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_exact_for_small_n_only() -> None:
    assert proportion(10, 19).method == "Clopper-Pearson"
    assert proportion(10, 20).method == "Wilson"


def test_no_cases_is_no_value() -> None:
    assert rate(0, 0).value is None


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_impossible_counts_are_an_error(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        rate(successes, n)


def test_student() -> None:
    assert [student(df) for df in (1, 4, 30)] == pytest.approx([12.706, 2.776, 2.042], abs=5e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_they_hold_the_share_and_something_more(case: tuple[int, int]) -> None:
    successes, n = case
    for found in (proportion(successes, n), wilson(successes / n, n)):
        assert 0 <= found.low <= successes / n <= found.high <= 1
        assert found.low < found.high


def test_no_failure_in_few_clusters_claims_no_more_than_the_clusters() -> None:
    """Twenty cases each of five documents, all right: five independent cases may be all it is."""
    found = estimate(share("x", "x"), Table({"x": np.ones(100)}, np.repeat(np.arange(5), 20)))
    assert found.low == pytest.approx(wilson(1.0, 5).low)
    assert found.high == 1.0


def test_every_failure_makes_the_spread_more_believed() -> None:
    """From clusters of ten, one failure each: n goes from the 100 clusters to the 1,000 cases."""
    values = [1 - failures / 1000 for failures in range(1, 12)]
    found = [effective_n(v, v * (1 - v) / 1000, 99, 100) for v in values]
    assert found == sorted(found)
    assert 100 < found[0] < 250
    assert 900 < found[-1] < 1000


@pytest.mark.parametrize(
    ("values", "clusters", "known"),
    [
        ([0.4] * 3, [0, 0, 0], True),  # one document: what it says of others is a guess
        ([2.0] * 3, [0, 1, 2], False),
        ([2.0, 3.0], [0, 0], False),
    ],
)
def test_without_variation(values: list[float], clusters: list[int], known: bool) -> None:
    bounds = (0.0, 1.0) if known else None
    made = Table({"x": np.array(values)}, np.array(clusters))
    found = estimate(mean("x", "x", bounds=bounds), made)
    assert (found.low is not None) == known
    if found.low is not None and found.high is not None:
        assert found.high - found.low > 0.5


def test_a_perfect_ranking_of_one_positive_is_one_case() -> None:
    truth = np.append(1.0, np.zeros(500))
    found = estimate(auc("auc", "t", "t"), Table({"t": truth}, np.arange(501)))
    assert found.value == 1.0
    assert found.low == pytest.approx(wilson(1.0, 1).low)
