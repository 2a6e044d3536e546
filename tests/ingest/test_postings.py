"""Lists of rows as blobs: what is written is what is read, and what is damaged is said to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.postings import DamagedPostings, Postings, Stored, decoded, encoded

FIRST = 1000
ROW = st.integers(FIRST, FIRST + 100_000) | st.integers(FIRST, FIRST + 300)
LISTS = st.lists(
    st.dictionaries(ROW, st.integers(2, 100_000) | st.integers(2, 4), min_size=1), min_size=1
)


def postings(lists: Sequence[dict[int, int]]) -> Postings:
    items = [item for each in lists for item in sorted(each.items())]
    rows, weights = np.array(items, dtype=np.int64).reshape(-1, 2).T
    return Postings(np.array([len(each) for each in lists]), rows, weights)


def lists_of(found: Postings) -> list[dict[int, int]]:
    ends = zip(found.starts.tolist(), np.cumsum(found.counts).tolist(), strict=True)
    items = list(zip(found.rows.tolist(), found.weights.tolist(), strict=True))
    return [dict(items[at:end]) for at, end in ends]


@given(LISTS)
def test_what_is_written_is_read(lists: list[dict[int, int]]) -> None:
    stored = list(encoded(postings(lists), FIRST))
    assert [item.count for item in stored] == [len(each) for each in lists]
    assert lists_of(decoded(stored)) == lists
    assert all(len(item.rows) in (item.count, 2 * item.count, 4 * item.count) for item in stored)


@given(LISTS, st.integers(FIRST, FIRST + 100_000))
def test_some_are_kept_and_neighbours_joined(lists: list[dict[int, int]], least: int) -> None:
    whole = postings(lists)
    kept = whole.kept(whole.rows >= least)
    assert lists_of(kept) == [{r: w for r, w in each.items() if r >= least} for each in lists]
    one = kept.joined(np.zeros(len(lists), dtype=np.int64), 1)
    assert one.counts.tolist() == [len(kept.rows)]


def test_small_numbers_take_a_byte() -> None:
    (stored,) = encoded(postings([{FIRST: 2, FIRST + 255: 4}]), FIRST)
    assert stored == Stored(FIRST, 2, b"\x00\xff", b"\x02\x04")


@pytest.mark.parametrize(
    "damaged",
    [
        Stored(1, 0, b"", b""),
        Stored(1, 2, b"\x00", b"\x02\x02"),
        Stored(1, 2, b"\x00\x01", b"\x02\x02\x02"),
        Stored(1, 1, b"\x00\x01\x00", b"\x02"),
        Stored(1, 1, b"\x00" * 8, b"\x02"),
    ],
)
def test_damaged(damaged: Stored) -> None:
    with pytest.raises(DamagedPostings):
        decoded([damaged])


def test_nothing() -> None:
    assert lists_of(decoded([])) == []
