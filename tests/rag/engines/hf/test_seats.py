"""Who sits where: every choice keeps the most of what is known, and takes nobody's seat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.anchor import shared
from rag.engines.hf.seats import Choice, Seat, choose, rows_for


def seat(text: str, taken: bool = False, used: int = 0) -> Seat:
    return Seat([ord(letter) for letter in text], taken=taken, used=used)


@pytest.mark.parametrize(
    ("seats", "prompt", "expected"),
    [
        ([seat("")], "abc", Choice(0, 0, 0)),
        ([seat("ab")], "abc", Choice(0, 0, 2)),
        ([seat("abc")], "abc", Choice(0, 0, 2)),
        # What most of a seat holds goes on there; a short beginning is copied.
        ([seat("abcd"), seat("")], "abcX", Choice(0, 0, 3)),
        ([seat("abcdefgh"), seat("")], "abX", Choice(1, 0, 2)),
        ([seat("abc", taken=True), seat("")], "abcd", Choice(1, 0, 3)),
        ([seat("abc", taken=True), seat("abc")], "abcd", Choice(1, 1, 3)),
        # Of the others the one that was used longest ago gives way.
        ([seat("ab", True), seat("x", used=5), seat("y", used=3)], "abc", Choice(2, 0, 2)),
        ([seat("abcdefgh"), seat("q", taken=True)], "abX", Choice(0, 0, 2)),
    ],
)
def test_choices(seats: list[Seat], prompt: str, expected: Choice) -> None:
    assert choose(seats, [ord(letter) for letter in prompt]) == expected


ids = st.lists(st.integers(0, 1), max_size=8)


@given(
    seats=st.lists(st.builds(Seat, ids=ids, taken=st.booleans(), used=st.integers(0, 9))),
    prompt=st.lists(st.integers(0, 1), min_size=1, max_size=8),
)
def test_nothing_that_is_known_is_read_again(seats: list[Seat], prompt: list[int]) -> None:
    seats = [*seats, Seat()]
    choice = choose(seats, prompt)
    assert not seats[choice.seat].taken
    assert choice.tokens == max(shared(each.ids, prompt) for each in seats)
    assert seats[choice.donor].ids[: choice.tokens] == prompt[: choice.tokens]


@given(kept=st.integers(0, 9), anchor=st.integers(0, 9))
def test_an_anchor_stands_only_whole(kept: int, anchor: int) -> None:
    each = Seat(list(range(9)), anchor)
    each.keep(kept)
    assert len(each.ids) == kept
    assert each.anchor == (anchor if kept >= anchor else 0)


@pytest.mark.parametrize(
    ("wanted", "free", "rows"), [(8, 10**9, 8), (64, 10**9, 20), (64, 10, 1), (1, 0, 1)]
)
def test_rows_leave_a_margin(wanted: int, free: int, rows: int) -> None:
    assert rows_for(wanted, 4096, free, 10_000, 0.15) == rows
