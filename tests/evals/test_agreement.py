"""Cohen's kappa: a textbook table, scikit-learn, and what it is at the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from evals.stats.agreement import cohens_kappa

LABELS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30
)


def test_fifty_proposals_of_two_readers() -> None:
    """20 both yes, 15 both no, 5 and 10 apart: 0.7 agreed, 0.5 by chance."""
    a = ["yes"] * 25 + ["no"] * 25
    b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohens_kappa(a, b)
    assert found.value == pytest.approx(0.4)
    assert found.n == 50
    # Fleiss, Cohen and Everitt (1969) give a standard error of 0.126.
    assert found.low == pytest.approx(0.4 - 1.96 * 0.126, abs=0.05)
    assert found.high == pytest.approx(0.4 + 1.96 * 0.126, abs=0.05)


@settings(deadline=None)
@given(LABELS)
def test_scikit_learn_says_the_same(pairs: list[tuple[str, str]]) -> None:
    a, b = zip(*pairs, strict=True)
    found = cohens_kappa(a, b, resamples=50)
    if len({*a, *b}) == 1:
        assert (found.value, found.n) == (None, 0)
        return
    assert found.value == pytest.approx(cohen_kappa_score(a, b))
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_perfect_agreement_on_few_items_is_not_certain() -> None:
    found = cohens_kappa([0, 1] * 5, [0, 1] * 5)
    assert found.value == found.high == 1
    assert found.low is not None
    assert found.low < 0.6


def test_items_of_one_source_widen_it() -> None:
    random = np.random.default_rng(0)
    a = np.repeat(random.integers(0, 2, 20), 10)
    b = np.where(np.repeat(random.random(20) < 0.2, 10), 1 - a, a)
    alone = cohens_kappa(a.tolist(), b.tolist())
    together = cohens_kappa(a.tolist(), b.tolist(), [str(i // 10) for i in range(200)])
    assert alone.value == together.value
    assert together.high - together.low > 2 * (alone.high - alone.low)  # type: ignore[operator]


@pytest.mark.parametrize(("a", "b", "clusters"), [([1], [1, 0], None), ([1], [1], ["x", "y"])])
def test_lengths(a: list[int], b: list[int], clusters: list[str] | None) -> None:
    with pytest.raises(ValueError, match="each item"):
        cohens_kappa(a, b, clusters)


def test_no_items() -> None:
    assert cohens_kappa([], []).value is None
