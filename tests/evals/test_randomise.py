"""Tests of no difference against published values and complete enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evals.metrics import auc, mean, plain
from evals.stats.pairing import Pairs
from evals.stats.randomise import exchanged, holm, mcnemar


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [(0, 0, 1.0), (1, 1, 1.0), (1, 9, 22 / 1024), (0, 6, 2 / 64), (0, 5, 2 / 32)],
)
def test_mcnemar(lost: int, won: int, p: float) -> None:
    assert mcnemar(lost, won) == mcnemar(won, lost) == pytest.approx(p)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_binomial_test(lost: int, won: int) -> None:
    known = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(known)


def test_holm() -> None:
    """The values that R's p.adjust gives."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def pairs(before: np.ndarray, after: np.ndarray, codes: np.ndarray) -> Pairs:
    truth = np.arange(len(codes)) % 2 * 1.0
    return Pairs({"y": before, "t": truth}, {"y": after, "t": truth}, codes)


@pytest.mark.parametrize("metric", [mean("m", "y"), auc("a", "y", "t")], ids=["mean", "auc"])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_few_clusters_are_enumerated(metric, count: int) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(count)
    codes = np.repeat(np.arange(count), 3)
    before, after = random.random((2, len(codes)))
    apart = []
    for signs in product([False, True], repeat=count):
        swapped = np.array(signs)[codes]
        a, b = np.where(swapped, after, before), np.where(swapped, before, after)
        made = pairs(a, b, codes)
        apart.append(abs(plain(metric, made.candidate) - plain(metric, made.baseline)))
    expected = np.mean(np.array(apart) >= apart[0] - 1e-9)
    assert exchanged(metric, pairs(before, after, codes), 0, 100) == pytest.approx(expected)


def test_many_clusters_approach_the_enumeration() -> None:
    random = np.random.default_rng(5)
    before, after = random.random((2, 14))
    signs = 1 - 2.0 * np.array(list(product([0, 1], repeat=14)))
    apart = np.abs(signs @ (after - before))
    expected = np.mean(apart >= apart[0] - 1e-9)
    found = exchanged(mean("m", "y"), pairs(before, after, np.arange(14)), 0, 5000)
    assert found == pytest.approx(expected, abs=0.02)


def test_it_never_says_zero() -> None:
    before, after = np.zeros(50), np.ones(50)
    assert exchanged(mean("m", "y"), pairs(before, after, np.arange(50)), 0, 99) == 0.01
