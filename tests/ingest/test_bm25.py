"""The formula: FTS5's numbers, its least weight, and a phrase's frequency found by its score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import bm25


@pytest.mark.parametrize(
    ("block", "numbers"),
    [
        (b"", []),
        (b"\x00\x7f", [0, 127]),
        (b"\x81\x00\x05", [128, 5]),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", [2**64 - 1, 1]),
    ],
)
def test_numbers_as_sqlite_writes_them(block: bytes, numbers: list[int]) -> None:
    assert list(bm25._varints(block)) == numbers


def test_a_word_in_most_rows_weighs_almost_nothing() -> None:
    totals = bm25.Totals(10, 5.0)
    assert totals.idf(2) == pytest.approx(math.log(8.5 / 2.5))
    assert totals.idf(9) == totals.idf(11) == 1e-6


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 100_000)), min_size=1),
    st.floats(0.5, 10_000),
    st.floats(1e-6, 20),
)
def test_scores_tell_frequencies(
    said: list[tuple[int, int]], average: float, weight: float
) -> None:
    doubled, lengths = np.array(said, dtype=np.int64).T
    norms = bm25.Totals(10, average).norms(lengths)
    scores = weight * bm25.share(doubled / 2, norms)
    assert bm25.frequencies(scores / weight, norms).tolist() == (doubled / 2).tolist()


def test_an_empty_base_divides_by_nothing() -> None:
    assert np.isfinite(bm25.Totals(0, 0.0).norms(np.zeros(2, dtype=np.int64))).all()
