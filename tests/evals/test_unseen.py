"""Leaving a source out: what is ranked against what, and what the heads may have seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from evals.train.fit import Example
from evals.train.injection_report import standalone
from evals.train.unseen import (
    Ranked,
    Text,
    left_out,
    pooled_recall,
    ranked,
    table_lines,
    text_scores,
)

LABEL = "BAD"
TEXTS = [
    Text("a", True, range(2), 0.0),
    Text("a", False, range(2, 3), 0.0),
    Text("b", True, range(3, 4), 0.9),
    Text("b", False, range(4, 5), 0.0),
]


def test_a_text_scores_as_its_highest_unit_or_its_rule() -> None:
    scores = text_scores(TEXTS, np.array([-9.0, 0.0, -9.0, -9.0, 9.0]))
    assert scores == pytest.approx([0.5, 0.0, 0.9, 1.0], abs=1e-3)


def test_attacks_of_a_source_stand_against_all_honest_texts() -> None:
    found = ranked(TEXTS, np.array([0.5, 0.1, 0.9, 0.2]), "a")
    assert found.attacks.tolist() == [0.5]
    assert found.benign.tolist() == [0.1, 0.2]


def test_false_rates_are_shares_of_honest_texts_that_score_as_high() -> None:
    found = Ranked("a", np.array([0.9, 0.5, 0.1]), np.array([0.2, 0.5, 0.6, 0.7]))
    assert found.false_rates.tolist() == [0.0, 0.625, 1.0]
    caught = pooled_recall([found], np.array([0.0, 0.7, 1.0]))
    assert caught == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_the_table_has_a_line_for_each_source_and_two_for_all() -> None:
    good = Ranked("a", np.full(30, 0.9), np.linspace(0, 0.5, 200))
    bad = Ranked("b", np.full(10, 0.2), np.linspace(0, 0.5, 200))
    lines = list(table_lines([good, bad], [bad, bad]))
    assert len(lines) == 6
    assert lines[2].startswith("| a | 30 | 1.000 [")
    assert "| 40 |" in lines[-1]


def test_heads_never_see_what_is_left_out() -> None:
    """Two sources with words of their own: only what was seen is told apart."""
    dice = np.random.default_rng(0)
    rows, texts, lines = [], [], []
    for i in range(80):
        source, bad = "ab"[i % 2], bool(i // 2 % 2)
        lines.append([float(bad and source == "a"), float(bad and source == "b"), 1.0])
        rows.append(Example(str(dice.random()), source, {LABEL: int(bad)}))
        texts.append(Text(source, bad, range(i, i + 1), 0.0))
    table = sparse.csr_matrix(np.array(lines))
    seen = ranked(texts, left_out(table, rows, texts, frozenset(), LABEL, 1), "a")
    unseen = ranked(texts, left_out(table, rows, texts, frozenset("a"), LABEL, 1), "a")
    assert seen.false_rates.mean() < 0.01
    assert unseen.false_rates.mean() == pytest.approx(0.5, abs=0.05)


def test_a_picture_stands_alone() -> None:
    made = standalone('<svg viewBox="0"><path stroke="var(--series-1)" fill="currentColor"/></svg>')
    assert made.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "var(" not in made
    assert "currentColor" not in made
