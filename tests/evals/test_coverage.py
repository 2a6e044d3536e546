"""Do 95 % intervals cover what they should? Simulated; 93 to 97 in 100 is asked of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import norm

from evals.metrics import Metric, Table, auc, estimate, f1, mean, ratio, share

REPEATS = 2000
RESAMPLES = 400
Draw = Callable[[Generator], Table]


def proportion(random: Generator) -> Table:
    return Table({"x": (random.random(50) < 0.3) * 1.0}, np.arange(50))


def clusters(random: Generator, p: float) -> tuple[np.ndarray, np.ndarray]:
    """30 clusters of about 5 cases: each case's own chance, intra-cluster correlation 0.2."""
    sizes = 1 + random.poisson(4, 30)
    codes = np.repeat(np.arange(30), sizes)
    return random.beta(4 * p, 4 * (1 - p), 30)[codes], codes


def clustered_proportion(random: Generator) -> Table:
    chance, codes = clusters(random, 0.3)
    return Table({"x": (random.random(len(codes)) < chance) * 1.0}, codes)


def clustered_ratio(random: Generator) -> Table:
    chance, codes = clusters(random, 0.7)
    bottom = 1 + random.poisson(2, len(codes))
    top = random.binomial(bottom, chance)
    return Table({"top": top * 1.0, "bottom": bottom * 1.0}, codes)


def skewed(random: Generator) -> Table:
    return Table({"x": random.exponential(size=60)}, np.arange(60))


def ranked(random: Generator) -> Table:
    truth = np.append(np.ones(40), np.zeros(40))
    return Table({"s": random.normal(size=80) + truth, "t": truth}, np.arange(80))


def flagged(random: Generator) -> Table:
    truth = random.random(100) < 0.3
    said = random.random(100) < np.where(truth, 0.8, 0.1)
    return Table({"said": said * 1.0, "t": truth * 1.0}, np.arange(100))


@pytest.mark.parametrize(
    ("metric", "draw", "true"),
    [
        (share("proportion", "x"), proportion, 0.3),
        (share("clustered proportion", "x"), clustered_proportion, 0.3),
        (ratio("clustered ratio", "top", "bottom"), clustered_ratio, 0.7),
        (mean("skewed mean", "x", bounds=None), skewed, 1.0),
        (auc("auc", "s", "t"), ranked, float(norm.cdf(1 / np.sqrt(2)))),
        (f1("f1", "said", "t"), flagged, 2 * 0.24 / (2 * 0.24 + 0.06 + 0.07)),
    ],
    ids=lambda part: part.name if isinstance(part, Metric) else "",
)
def test_coverage(metric: Metric, draw: Draw, true: float) -> None:
    random = np.random.default_rng(1)
    covered = 0
    for seed in range(REPEATS):
        found = estimate(metric, draw(random), seed, RESAMPLES)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true <= found.high
    assert 0.93 <= covered / REPEATS <= 0.97


def test_taking_clustered_cases_for_independent_ones_covers_too_little() -> None:
    """The data above are such that clusters matter."""
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(REPEATS):
        made = clustered_proportion(random)
        alone = Table(made.columns, np.arange(len(made)))
        found = estimate(share("x", "x"), alone)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.3 <= found.high
    assert covered / REPEATS < 0.9


@pytest.mark.parametrize("count", [12, 40])
def test_near_an_edge_it_covers_at_least_as_promised(count: int) -> None:
    """98 % of cases right in few clusters: a bootstrap alone would often claim [1, 1]."""
    random = np.random.default_rng(5)
    covered = 0
    for seed in range(400):
        codes = np.repeat(np.arange(count), 5)
        chance = random.beta(0.98 * 2, 0.02 * 2, count)[codes]
        made = Table({"x": (random.random(len(codes)) < chance) * 1.0}, codes)
        found = estimate(share("x", "x"), made, seed, RESAMPLES)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.98 <= found.high
    assert covered / 400 >= 0.93
