"""Metrics against scikit-learn, plain and weighted; without cases; and their estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as known

from evals.metrics import (
    Metric,
    Table,
    auc,
    aurc,
    average_precision,
    balanced_accuracy,
    brier,
    ece,
    estimate,
    exp_ratio,
    f1,
    f1_flag_all,
    f_beta,
    mean,
    plain,
    precision,
    ratio,
    recall,
    recall_at_fpr,
    share,
    table,
    total,
)
from evals.types import Score

NAN, INF = math.nan, math.inf
FLAGS = st.sampled_from([0.0, 1.0])
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])
ROWS = st.lists(st.tuples(FLAGS, FLAGS, SCORES, st.integers(0, 4)), min_size=1, max_size=40)
Rows = list[tuple[float, float, float, int]]

METRICS = [
    mean("mean", "score"),
    share("share", "said"),
    ratio("ratio", "score", "one"),
    exp_ratio("exp", "score", "one"),
    total("total", "score"),
    f_beta("f2", "both", "said", "both", "truth", 2.0),
    precision("precision", "said", "truth"),
    recall("recall", "said", "truth"),
    f1("f1", "said", "truth"),
    f1_flag_all("all", "truth"),
    balanced_accuracy("balanced", "said", "truth"),
    auc("auc", "score", "truth"),
    average_precision("ap", "score", "truth"),
    recall_at_fpr("recall@20%fpr", "score", "truth", 0.2),
    aurc("aurc", "score", "truth"),
    ece("ece", "score", "truth"),
    brier("brier", "score", "truth"),
]


def columns(rows: Rows) -> dict[str, np.ndarray]:
    said, truth, score, _ = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    return {
        "said": said, "truth": truth, "score": score,
        "both": said * truth, "one": np.ones(len(rows)),
    }  # fmt: skip


def whole(rows: Rows) -> Table:
    return Table(columns(rows), np.array([row[3] for row in rows]))


def name(metric: Metric) -> str:
    return metric.name


def random_rows(seed: int, n: int = 300) -> Rows:
    random = np.random.default_rng(seed)
    truth = (random.random(n) < 0.3) * 1.0
    score = np.round(random.normal(size=n) + truth, 1)
    said = (score > 0.7) * 1.0
    clusters = random.integers(0, 60, n)
    return list(zip(said.tolist(), truth.tolist(), score.tolist(), clusters.tolist(), strict=True))


Known = Callable[..., float]
AGAINST: list[tuple[Metric, str, Known]] = [
    (auc("auc", "score", "truth"), "score", known.roc_auc_score),
    (average_precision("ap", "score", "truth"), "score", known.average_precision_score),
    (f1("f1", "said", "truth"), "said", known.f1_score),
    (precision("precision", "said", "truth"), "said", known.precision_score),
    (recall("recall", "said", "truth"), "said", known.recall_score),
    (balanced_accuracy("balanced", "said", "truth"), "said", known.balanced_accuracy_score),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("metric", "read", "expected"), AGAINST)
def test_scikit_learn_says_the_same(metric: Metric, read: str, expected: Known, seed: int) -> None:
    data = columns(random_rows(seed))
    weights = np.random.default_rng(seed + 9).integers(0, 4, (5, 300)).astype(float)
    found = metric.value(data, weights)
    for row, value in zip(weights, found, strict=True):
        assert value == pytest.approx(expected(data["truth"], data[read], sample_weight=row))
    assert plain(metric, data) == pytest.approx(expected(data["truth"], data[read]))


def test_brier_as_scikit_learn() -> None:
    random = np.random.default_rng(0)
    score = random.random(300)
    data = {"score": score, "truth": (random.random(300) < score) * 1.0}
    expected = known.brier_score_loss(data["truth"], score)
    assert plain(brier("b", "score", "truth"), data) == pytest.approx(expected)
    failed = {"score": np.array([-1.0, 2.0]), "truth": np.array([1.0, 0.0])}
    assert plain(brier("b", "score", "truth"), failed) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_fbeta_and_flag_all_as_scikit_learn(seed: int) -> None:
    data = columns(random_rows(seed))
    f2 = f_beta("f2", "both", "said", "both", "truth", 2.0)
    assert plain(f2, data) == pytest.approx(known.fbeta_score(data["truth"], data["said"], beta=2))
    expected = known.f1_score(data["truth"], np.ones(300))
    assert plain(f1_flag_all("all", "truth"), data) == pytest.approx(expected)


@pytest.mark.parametrize("limit", [0.0, 0.01, 0.1, 0.5])
def test_recall_at_fpr_is_the_roc_curve_s(limit: float) -> None:
    data = columns(random_rows(4))
    fpr, tpr, _ = known.roc_curve(data["truth"], data["score"], drop_intermediate=False)
    found = plain(recall_at_fpr("r", "score", "truth", limit), data)
    assert found == pytest.approx(tpr[fpr <= limit].max())


def ranked(metric: Metric, scores: Sequence[float], truths: Sequence[float]) -> float:
    return plain(metric, {"score": np.array(scores), "truth": np.array(truths)})


AUC, AP = auc("auc", "score", "truth"), average_precision("ap", "score", "truth")
AT_FPR = recall_at_fpr("r", "score", "truth", 0.4)


@pytest.mark.parametrize(
    ("metric", "scores", "truths", "expected"),
    [
        (AUC, [0.5, 0.5, 0.5], [1, 0, 0], 0.5),
        # A failed positive ranks below all, a failed negative above all.
        (AUC, [-INF, 0.9, 0.1, 0.2], [1, 1, 0, 0], 0.5),
        (AUC, [0.9, 0.8, 0.1, INF], [1, 1, 0, 0], 0.5),
        (AP, [-INF, 0.9, 0.1, 0.2], [1, 1, 0, 0], 0.75),
        (AT_FPR, [0.9, 0.8, 0.1, INF, 0.2], [1, 1, 0, 0, 0], 1.0),
        # Both negatives failed: no finite threshold leaves them out.
        (AT_FPR, [0.9, 0.8, INF, INF], [1, 1, 0, 0], 0.0),
        # A failed positive is found by no threshold.
        (AT_FPR, [0.9, -INF, -INF, 0.1], [1, 1, 1, 0], 1 / 3),
        # Cases without a score or a truth have no part.
        (AUC, [0.9, NAN, 0.1, 0.95], [1, 0, 0, NAN], 1.0),
    ],
)
def test_failed_and_missing_scores(
    metric: Metric, scores: list[float], truths: list[float], expected: float
) -> None:
    assert ranked(metric, scores, truths) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        *((metric, []) for metric in METRICS),
        *((metric, [{}]) for metric in METRICS),
        (precision("p", "said", "truth"), [{"said": 0, "truth": 1}]),
        (recall("r", "said", "truth"), [{"said": 1, "truth": 0}]),
        (f1("f", "said", "truth"), [{"said": 0, "truth": 0}]),
        (balanced_accuracy("b", "said", "truth"), [{"said": 1, "truth": 1}]),
        (AUC, [{"score": 0.4, "truth": 1}]),
        (AP, [{"score": 0.4, "truth": 0}]),
        (AT_FPR, [{"score": 0.4, "truth": 1}]),
        (ratio("r", "a", "b"), [{"a": 0, "b": 0}]),
        (f_beta("f", "a", "b", "a", "b", 1), [{"a": 0, "b": 0}]),
    ],
)
def test_without_cases_there_is_no_value(metric: Metric, rows: list[dict[str, float]]) -> None:
    scores = [Score(str(i), str(i), "scored", row) for i, row in enumerate(rows)]
    found = estimate(metric, table(scores))
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"hp": 0, "p": 0, "hg": 0, "g": 3}, 0.0),  # said nothing
        ({"hp": 0, "p": 2, "hg": 0, "g": 0}, 0.0),  # there was nothing to say
        ({"hp": 0, "p": 2, "hg": 0, "g": 3}, 0.0),
        ({"hp": 1, "p": 2, "hg": 2, "g": 2}, 2 / 3),
    ],
)
def test_fbeta_of_one_case(row: dict[str, float], expected: float) -> None:
    found = table([Score("a", "a", "scored", row)])
    assert plain(f_beta("f", "hp", "p", "hg", "g", 1.0), found.columns) == pytest.approx(expected)


def test_n_is_what_was_counted() -> None:
    rows = [{"said": 1, "truth": 0, "b": 5, "a": 1}, {"said": 0, "truth": 1, "b": 0, "a": 0}, {}]
    made = table([Score(str(i), str(i), "scored", row) for i, row in enumerate(rows)])
    wanted = {
        precision("", "said", "truth"): 1,
        recall("", "said", "truth"): 1,
        f1("", "said", "truth"): 2,
        mean("", "said"): 2,
        ratio("", "a", "b"): 1,
        ratio("", "a", "b", count_bottom=True): 5,
        auc("", "said", "truth"): 2,
    }
    assert {m: estimate(m, made).n for m in wanted} == wanted


def test_a_table_has_a_column_for_every_key_and_codes_for_clusters() -> None:
    made = table(
        [
            Score("1", "b", "scored", {"x": 1.0}),
            Score("2", "a", "scored", {"x": None, "y": 2.0}),
            Score("3", "b", "unscored", {"y": 0.0}, "timeout"),
        ]
    )
    assert made.clusters.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(made.columns["x"], [1.0, NAN, NAN])
    np.testing.assert_array_equal(made.columns["y"], [NAN, 2.0, 0.0])


def test_out_of_bounds_is_an_error() -> None:
    loss = Table({"x": np.array([2.0, 3.0])}, np.arange(2))
    with pytest.raises(ValueError, match="not within"):
        estimate(mean("loss", "x"), loss)
    assert estimate(mean("loss", "x", bounds=None), loss).value == 2.5


def test_a_count_has_no_interval() -> None:
    found = estimate(total("tokens", "x"), Table({"x": np.array([2.0, NAN, 3.0])}, np.arange(3)))
    assert (found.value, found.low, found.high, found.n) == (5.0, None, None, 2)


def test_an_infinite_value_is_none_but_has_its_n() -> None:
    found = estimate(
        exp_ratio("p", "x", "y"), Table({"x": np.array([1e9]), "y": np.ones(1)}, np.arange(1))
    )
    assert (found.value, found.n, found.method) == (None, 1, "not finite")


@pytest.mark.parametrize("metric", METRICS, ids=name)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_duplicating_a_case_is_a_weight_of_two(metric: Metric, rows: Rows) -> None:
    weights = np.ones((1, len(rows)))
    weights[0, 0] = 2
    found = metric.value(columns(rows), weights)[0]
    assert found == pytest.approx(plain(metric, columns([rows[0], *rows])), nan_ok=True)


@pytest.mark.parametrize("metric", METRICS, ids=name)
@settings(max_examples=25, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 5))
def test_estimates_contain_the_value(metric: Metric, rows: Rows, seed: int) -> None:
    found = estimate(metric, whole(rows), seed, resamples=60)
    if found.value is None:
        assert (found.low, found.high, found.n) == (None, None, 0)
        return
    assert found.n > 0
    assert found.low is None or found.low <= found.value
    assert found.high is None or found.value <= found.high
    if metric.bounds == (0.0, 1.0):
        assert found.low is not None
        assert found.high is not None
        assert -1e-9 <= found.low < found.high <= 1 + 1e-9  # never claims to be sure


@pytest.mark.parametrize("metric", METRICS, ids=name)
@settings(max_examples=15, deadline=None)
@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_the_order_of_cases_changes_nothing(metric: Metric, rows: Rows, order: object) -> None:
    mixed = list(rows)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    before, after = (estimate(metric, whole(r), resamples=60) for r in (rows, mixed))
    assert (before.n, before.method) == (after.n, after.method)
    for field in ("value", "low", "high"):
        ends = getattr(before, field), getattr(after, field)
        assert ends[0] == ends[1] == None or ends[0] == pytest.approx(ends[1])  # noqa: E711


@pytest.mark.parametrize("metric", METRICS, ids=name)
def test_the_same_seed_gives_the_same(metric: Metric) -> None:
    rows = whole(random_rows(1, 80))
    assert estimate(metric, rows, 3, 100) == estimate(metric, rows, 3, 100)
