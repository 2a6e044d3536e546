"""Tests that may be looked at after every request: exact where that can be computed."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.releases.sequential import log_evidence, lower, upper

counts = st.integers(0, 400)
shares = st.floats(0.01, 0.99)


@pytest.mark.parametrize(
    ("hits", "others", "share", "grows"),
    [(0, 0, 0.5, None), (9, 1, 0.5, True), (1, 9, 0.5, False), (10, 10, 0.1, True)],
)
def test_evidence_grows_where_more_than_the_share_are_hits(
    hits: int, others: int, share: float, grows: bool | None
) -> None:
    found = log_evidence(hits, others, share)
    assert found == 0 if grows is None else (found > 0) == grows


@given(counts, counts, shares)
def test_evidence_has_no_tendency_to_grow_where_nothing_is_wrong(
    hits: int, others: int, share: float
) -> None:
    """The mean over the next one is what it was: a martingale, so it may be looked at always."""
    now = log_evidence(hits, others, share)
    after = log_evidence(hits + 1, others, share), log_evidence(hits, others + 1, share)
    mean = share * math.exp(after[0] - now) + (1 - share) * math.exp(after[1] - now)
    assert mean == pytest.approx(1.0)


@given(counts, counts, shares, st.floats(0.0, 1.0))
def test_evidence_shrinks_where_the_canary_is_better(
    hits: int, others: int, share: float, less: float
) -> None:
    now, chance = log_evidence(hits, others, share), share * less
    after = log_evidence(hits + 1, others, share), log_evidence(hits, others + 1, share)
    mean = chance * math.exp(after[0] - now) + (1 - chance) * math.exp(after[1] - now)
    assert mean <= 1.0 + 1e-9


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_a_confidence_sequence_holds_what_was_seen(trials: int, part: float, alpha: float) -> None:
    hits = round(part * trials)
    low, high = lower(hits, trials, alpha), upper(hits, trials, alpha)
    assert 0 <= low <= hits / trials <= high <= 1
    assert upper(hits, trials, alpha / 2) >= high
    assert (low, high) == pytest.approx(
        (1 - upper(trials - hits, trials, alpha), 1 - lower(trials - hits, trials, alpha)), abs=1e-9
    )


def test_without_trials_nothing_is_known() -> None:
    assert (lower(0, 0, 0.05), upper(0, 0, 0.05)) == (0.0, 1.0)


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_a_confidence_sequence_holds_the_truth_at_every_look(rate: float) -> None:
    alpha, runs, missed = 0.1, 200, 0
    for seed in range(runs):
        draws, hits = random.Random(seed), 0
        for trials in range(1, 301):
            hits += draws.random() < rate
            if not lower(hits, trials, alpha) <= rate <= upper(hits, trials, alpha):
                missed += 1
                break
    assert missed / runs <= alpha
