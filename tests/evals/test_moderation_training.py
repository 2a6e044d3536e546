"""The fitting of the moderation heads: solver, folded scale, thresholds, the written data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import evals.train
from evals.train.fit import Example, sigmoid
from evals.train.logistic import Columns, fit_linear
from evals.train.moderation import nested, reached_by, scale_of, thresholds
from evals.train.moderation_report import Scored, curves, report
from evals.train.moderation_texts import LABELS
from ingest.encoders.layers import VIEWS
from rag.safety.policy import ILLICIT

WIDTH = 3
LOOKALIKES = Path(evals.train.__file__).parent / "data" / "lookalikes.jsonl"


def columns(random: np.random.Generator, count: int) -> Columns:
    dense = random.normal(size=(count, VIEWS * WIDTH)).astype(np.float32)
    return Columns(dense, sparse.random(count, 20, 0.2, "csr", np.float32, random))


def test_the_solver_finds_what_another_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    seen, weight = columns(random, 200), np.ones(200)
    truth = seen.dense[:, 0] + random.normal(size=200) > 0.8
    found = fit_linear(seen, truth, weight).logits(seen)
    table = np.hstack([seen.dense, seen.grid.toarray(), np.ones((200, 1), np.float32)])
    other = LogisticRegression(class_weight="balanced", fit_intercept=False, tol=1e-8)
    expected = other.fit(table, truth, sample_weight=weight).decision_function(table)
    assert np.abs(found - expected).max() < 0.05


def test_a_folded_head_reads_rows_as_they_come() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(3.0, 2.0, (50, VIEWS * WIDTH)).astype(np.float32)
    scale = scale_of(rows)
    seen = Columns(scale(rows), sparse.csr_matrix((50, 20), dtype=np.float32))
    head = fit_linear(seen, rows[:, 0] > 3.0, np.ones(50))
    weights, bias = scale.folded(head)
    assert rows @ weights + bias == pytest.approx(head.logits(seen), abs=1e-3)
    assert np.sum(seen.dense**2, axis=1).mean() == pytest.approx(16.0, rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5])
def test_at_most_the_rate_is_flagged(rate: float) -> None:
    scores = np.random.default_rng(3).uniform(size=101)
    assert (scores >= reached_by(scores, rate)).mean() <= rate


def made() -> tuple[list[Example], np.ndarray]:
    random = np.random.default_rng(4)
    items = [
        Example(f"{source} {n}", source, dict.fromkeys(LABELS, int(harm and n % 2)))
        for source, harm in (
            ("openai", 1),
            ("refusal-xstest", 1),
            ("refusal-harmful", 1),
            ("refusal-donotanswer", 1),
            ("refusal-cyber-benign", 0),
            ("typed-benign", 0),
            ("questions", 0),
            ("prose", 0),
        )
        for n in range(40)
    ]
    truth = np.array([[e.labels[label] for label in LABELS] for e in items])
    return items, sigmoid(random.normal(size=truth.shape) + 3.0 * truth)


def test_a_fold_is_judged_at_thresholds_of_the_others() -> None:
    items, scores = made()
    before = nested(items, scores)
    fold = items[0].fold
    mine = np.array([e.fold == fold for e in items])
    changed = scores.copy()
    changed[mine & (np.array([e.source for e in items]) == "prose")] = 0.99
    after = nested(items, changed)
    kept = mine & (np.array([e.source for e in items]) != "prose")
    assert np.array_equal(before[kept], after[kept])
    assert not np.array_equal(thresholds(items, scores), thresholds(items, changed))


def test_the_report_names_every_source() -> None:
    items, scores = made()
    unseen = {"refusal-xstest": scores[40:80, LABELS.index(ILLICIT)]}
    found = Scored(items, scores, nested(items, scores), thresholds(items, scores), unseen)
    lines = "\n".join(report(found))
    for part in ("HARM on openai: AUPRC", "flagged of questions", "source left out, refused of"):
        assert part in lines
    assert curves(found).startswith("<svg")


def test_the_written_requests_are_pairs_of_kinds() -> None:
    rows = [json.loads(line) for line in LOOKALIKES.read_text(encoding="utf-8").splitlines()]
    texts = Counter(" ".join(row["text"].lower().split()) for row in rows)
    assert texts.most_common(1)[0][1] == 1
    for kind in {row["kind"] for row in rows}:
        assert {row["safe"] for row in rows if row["kind"] == kind} == {True, False}
