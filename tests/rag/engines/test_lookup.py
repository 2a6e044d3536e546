"""Guesses out of the prompt, by table and against their definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.lookup import LONGEST, SHORTEST, propose


@pytest.mark.parametrize(
    ("ids", "most", "guess"),
    [
        ([], 5, []),
        ([1], 5, []),
        ([1, 2], 5, []),
        ([1, 2, 3, 1, 2], 5, [3, 1, 2]),
        ([1, 2, 3, 1, 2], 1, [3]),
        ([1, 2, 3, 4, 1, 2, 5, 6, 1, 2], 2, [5, 6]),
        ([9, 1, 2, 3, 4, 8, 1, 2, 7, 9, 1, 2], 3, [3, 4, 8]),
        ([1, 1, 1], 4, [1]),
        ([1, 2, 1], 4, []),
    ],
    ids=str,
)
def test_guesses(ids: list[int], most: int, guess: list[int]) -> None:
    assert propose(ids, most) == guess


@given(ids=st.lists(st.integers(0, 3), max_size=30), most=st.integers(1, 8))
def test_a_guess_is_what_followed_the_longest_end_last(ids: list[int], most: int) -> None:
    guess = propose(ids, most)
    for size in range(min(LONGEST, len(ids) - 1), SHORTEST - 1, -1):
        places = [p for p in range(len(ids) - size) if ids[p : p + size] == ids[-size:]]
        if places:
            assert guess == ids[places[-1] + size :][:most]
            return
    assert guess == []
