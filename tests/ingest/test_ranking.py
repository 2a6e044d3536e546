"""Sums of scores and the best of them, against sorting all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.ranking import NONE, Scores, among, best
from ingest.types import Hit

LAST = 400
SCORES = st.dictionaries(
    st.integers(1, LAST), st.sampled_from([0.25, 0.5, 1.0, 2.0, 1e-6]), max_size=150
)
SAID = st.lists(st.tuples(SCORES, st.integers(1, 2)), max_size=4)


def scores(said: dict[int, float]) -> Scores:
    rows = sorted(said)
    values = np.array([said[row] for row in rows], dtype=np.float32)
    return Scores(np.array(rows, dtype=np.int64), values)


@given(SAID, st.integers(1, 500), st.none() | st.binary(max_size=500), st.sets(st.integers(0, 450)))
def test_the_best_of_all_and_of_some(
    said: list[tuple[dict[int, float], int]], k: int, bits: bytes | None, rows: set[int]
) -> None:
    mask = None if bits is None else bytes(byte & 1 for byte in bits)
    sums = {
        row: sum(float(np.float32(each.get(row, 0.0))) * times for each, times in said)
        for row in range(1, LAST + 1)
        if mask is None or mask[row - 1 : row] == b"\x01"
    }
    expected = [Hit(row, score) for row, score in sums.items() if score]
    expected.sort(key=lambda hit: (-hit.score, hit.row))
    given = [(scores(each), times) for each, times in said]
    assert best(given, LAST, k, mask) == expected[:k]
    these = [hit for hit in expected if hit.row in rows]
    assert among(given, [*rows, *rows], k, mask) == these[:k]


def test_nothing_was_said() -> None:
    assert best([(NONE, 1)], 0, 3) == best([], 5, 3) == among([(NONE, 1)], [1], 3) == []
