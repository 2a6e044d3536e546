"""BCa against scipy's, clusters against a formula, and memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evals.metrics import Table, auc, estimate, mean
from evals.stats import bootstrap


def test_bca_is_scipy_s_for_many_cases() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    known = stats.bootstrap(
        (values,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    found = estimate(mean("x", "x", bounds=None), Table({"x": values}, np.arange(400)), 0, 9999)
    assert found.method == "BCa bootstrap"
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.012)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.value > found.value - found.low  # skewed, as the data are


def test_clusters_widen_as_their_variance_says() -> None:
    random = np.random.default_rng(2)
    codes = np.repeat(np.arange(80), 10)
    values = 0.5 + 0.1 * random.normal(size=80)[codes] + 0.01 * random.normal(size=800)
    error = stats.sem(values.reshape(80, 10).mean(axis=1)) * stats.t.ppf(0.975, 79)
    found = estimate(mean("x", "x"), Table({"x": values}, codes))
    alone = estimate(mean("x", "x"), Table({"x": values}, np.arange(800)))
    assert found.high - found.low == pytest.approx(2 * error, rel=0.08)
    assert alone.high - alone.low < 0.5 * (found.high - found.low)
    assert found.method == "BCa bootstrap, by cluster"


def test_memory_is_bounded_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    truth = (random.random(120) < 0.4) * 1.0
    made = Table({"s": random.normal(size=120) + truth, "t": truth}, np.arange(120))
    metric = auc("auc", "s", "t")
    whole = estimate(metric, made, 0, 300)
    monkeypatch.setattr(bootstrap, "CHUNK", 120 * 7)
    assert estimate(metric, made, 0, 300) == whole


def test_a_figure_undefined_in_some_resamples_keeps_the_others() -> None:
    truth = np.append(np.ones(2), np.zeros(30))
    score = np.append([0.9, 0.2], np.linspace(0, 0.8, 30))
    found = estimate(auc("auc", "s", "t"), Table({"s": score, "t": truth}, np.arange(32)))
    assert found.value is not None
    assert found.low is not None
    assert found.low < 0.4  # two positives say next to nothing


def test_few_clusters_of_an_unbounded_figure_use_student() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0])
    known = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    found = estimate(mean("x", "x", bounds=None), Table({"x": values}, np.arange(4)))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= known[0] + 1e-9
    assert found.high >= known[1] - 1e-9
