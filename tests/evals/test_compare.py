"""Comparing two runs: pairs, verdicts, false alarms, power. Simulated with fixed seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.random import Generator

from evals.compare import Comparison, Verdict, compare
from evals.metrics import Metric, auc, f1, mean, ratio, share, total
from evals.types import Score, ScoredCase

Values = Mapping[str, Sequence[float | None]]


def run(values: Values, clusters: Sequence[object], begin: int = 0) -> list[ScoredCase]:
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return [
        ScoredCase(Score(str(i), str(cluster), "scored", row), "same", {})
        for i, (cluster, row) in enumerate(zip(clusters, rows, strict=True), start=begin)
    ]


def one(metric: Metric, before: list[ScoredCase], after: list[ScoredCase]) -> Comparison:
    return compare([metric], before, after, resamples=400).comparisons[0]


def flags(hits: int, n: int) -> list[float]:
    return [1.0] * hits + [0.0] * (n - hits)


EXACT = share("em", "x")


def test_mcnemar_for_flags_of_independent_cases() -> None:
    """Nine turned for the better, one for the worse: p = 2 * 11 / 1024."""
    before = run({"x": [0.0] * 9 + [1.0] + flags(50, 90)}, range(100))
    after = run({"x": [1.0] * 9 + [0.0] + flags(50, 90)}, range(100))
    found = one(EXACT, before, after)
    assert found.test == "exact McNemar"
    assert found.p == pytest.approx(22 / 1024)
    assert (found.baseline, found.candidate, found.n) == (0.51, 0.59, 100)
    assert found.difference == pytest.approx(0.08)
    assert found.verdict == "improvement"
    assert one(EXACT, after, before).verdict == "regression"


@pytest.mark.parametrize(
    ("metric", "verdict"),
    [
        (mean("m", "y", "higher"), "regression"),
        (mean("m", "y", "lower"), "improvement"),
        (mean("m", "y", "neither"), "not judged"),
        (mean("m", "y", headline=False), "not judged"),
        (mean("m", "z"), "no cases"),
    ],
)
def test_verdict(metric: Metric, verdict: Verdict) -> None:
    random = np.random.default_rng(0)
    y = random.random(60) * 0.5
    before, after = run({"y": list(y + 0.4)}, range(60)), run({"y": list(y)}, range(60))
    found = one(metric, before, after)
    assert found.verdict == verdict
    assert (found.p_holm is None) == (verdict in ("not judged", "no cases"))


METRICS = [EXACT, mean("m", "y"), auc("auc", "y", "x"), mean("loss", "y", "lower", bounds=None)]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_identical_scores_are_no_evidence(metric: Metric, size: int) -> None:
    random = np.random.default_rng(size)
    values = {"x": [1.0, 0.0] * size, "y": random.random(2 * size).tolist()}
    scores = run(values, range(2 * size))
    found = one(metric, scores, scores)
    assert (found.difference, found.p, found.verdict) == (0.0, 1.0, "no evidence")
    if metric.bounds is not None:
        # Nothing turned, but among other cases something might.
        assert found.low is not None
        assert found.high is not None
        assert found.detectable is not None
        assert found.low < 0 < found.high
        assert found.detectable > 0


def test_pairs_by_id_and_content() -> None:
    before = run({"x": [1.0, 1.0, 1.0, 0.0]}, range(4))
    after = run({"x": [1.0, 0.0, 0.0, 0.0]}, range(4), begin=1)
    after[0] = ScoredCase(after[0].score, "other", {})
    found = compare([EXACT], before, after)
    assert (found.paired, found.only_baseline, found.only_candidate, found.changed) == (2, 1, 1, 1)
    assert found.comparisons[0].baseline == 0.5  # ids 2 and 3
    assert found.comparisons[0].candidate == 0.0


@pytest.mark.parametrize("values", [{}, {"x": []}])
def test_nothing_in_common(values: Values) -> None:
    before, after = run({"x": [1.0]}, [0]), run({"x": [1.0]}, [0], begin=7)
    for metric in [*METRICS, ratio("r", "x", "y"), total("t", "x")]:
        found = one(metric, before, after)
        assert (found.verdict, found.n, found.p) == ("no cases", 0, None)


def test_a_case_that_applies_to_one_side_only() -> None:
    """Precision of what each one answered: the answered differ, so no case can have turned."""
    before = run({"x": [1.0] * 20 + [None] * 20}, range(40))
    after = run({"x": [1.0] * 10 + [0.0] * 20 + [None] * 10}, range(40))
    found = one(EXACT, before, after)
    assert found.test == "paired randomisation"
    assert found.candidate == pytest.approx(1 / 3)
    assert found.verdict == "regression"
    assert found.n == 20


def test_holm_over_the_headline_metrics() -> None:
    random = np.random.default_rng(4)
    columns = {name: random.random(50) for name in "abcd"}
    shifted = {
        name: np.clip(y + 0.05 * random.normal(1, 2, 50), 0, 1) for name, y in columns.items()
    }
    metrics = [mean(name, name) for name in "abc"] + [mean("d", "d", headline=False)]
    before = run({k: v.tolist() for k, v in columns.items()}, range(50))
    after = run({k: v.tolist() for k, v in shifted.items()}, range(50))
    found = compare(metrics, before, after).comparisons
    ps = [item.p or 0.0 for item in found[:3]]
    adjusted = [item.p_holm or 0.0 for item in found[:3]]
    assert min(adjusted) == pytest.approx(min(1.0, 3 * min(ps)))
    assert all(a >= p for a, p in zip(adjusted, ps, strict=True))
    assert found[3].p_holm is None


def systems(
    random: Generator, count: int, size: int, shift: float = 0.0
) -> list[dict[str, list[float]]]:
    """Two systems whose scores have each their own ups and downs by cluster, and a shift."""
    codes = np.repeat(np.arange(count), size)
    shared = random.normal(size=count)[codes]
    made = []
    for extra in (0.0, shift):
        own = random.normal(size=count)[codes] + 0.5 * random.normal(size=len(codes))
        z = shared + own + extra
        made.append(
            {
                "x": ((z > 0) * 1.0).tolist(),
                "y": (1 / (1 + np.exp(-z))).tolist(),
                "t": ((shared > 0) * 1.0).tolist(),
            }
        )
    return made


JUDGED = [share("em", "x"), mean("mean", "y"), f1("f1", "x", "t")]


@pytest.mark.parametrize(("count", "size"), [(6, 8), (12, 10), (30, 10)])
def test_false_alarms_on_clustered_cases(count: int, size: int) -> None:
    """No true difference: each test alone at most 6 in 100, and all of them together."""
    random = np.random.default_rng(3)
    codes = np.repeat(np.arange(count), size)
    alarms, any_alarm, covered = np.zeros(3), 0, np.zeros(3)
    for seed in range(400):
        before, after = (run(values, codes) for values in systems(random, count, size))
        found = compare(JUDGED, before, after, seed=seed, resamples=300).comparisons
        alarms += [(item.p or 0.0) <= 0.05 for item in found]
        any_alarm += any(item.verdict != "no evidence" for item in found)
        covered += [(item.low or 0.0) <= 0 <= (item.high or 0.0) for item in found]
    assert max(alarms) / 400 <= 0.06
    assert any_alarm / 400 <= 0.06
    assert min(covered) / 400 >= 0.93


def test_taking_clustered_cases_for_independent_ones_alarms_often() -> None:
    random = np.random.default_rng(3)
    alarms = 0
    for seed in range(100):
        before, after = (run(values, range(300)) for values in systems(random, 30, 10))
        found = compare([JUDGED[1]], before, after, seed=seed, resamples=300)
        alarms += found.comparisons[0].verdict != "no evidence"
    assert alarms > 25


def test_detectable_is_found_four_times_in_five() -> None:
    random = np.random.default_rng(8)
    found = 0
    detectable = []
    for seed in range(300):
        y = 0.3 + 0.3 * random.random(80)
        after = y + 0.02 + 0.0638 * random.normal(size=80)
        runs = [run({"y": values.tolist()}, range(80)) for values in (y, after)]
        item = compare([mean("m", "y")], *runs, seed=seed, resamples=300).comparisons[0]
        found += item.verdict == "improvement"
        detectable.append(item.detectable or 0.0)
    assert np.mean(detectable) == pytest.approx(0.02, rel=0.03)
    assert 0.74 <= found / 300 <= 0.86


def test_the_order_of_cases_changes_nothing() -> None:
    random = np.random.default_rng(1)
    codes = np.repeat(np.arange(12), 5)
    before, after = (run(values, codes) for values in systems(random, 12, 5, 0.4))
    turned = compare(JUDGED, before[::-1], after[::-1], resamples=300)
    for a, b in zip(
        compare(JUDGED, before, after, resamples=300).comparisons, turned.comparisons, strict=True
    ):
        assert (a.p, a.verdict, a.n) == (b.p, b.verdict, b.n)
        assert (a.low, a.high) == pytest.approx((b.low, b.high))
