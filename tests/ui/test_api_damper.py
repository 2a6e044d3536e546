"""Of events that anybody can cause, none is uncounted and few are noted."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ui.api.damper import Damper


@given(st.lists(st.floats(0, 3), min_size=1, max_size=50))
def test_each_event_is_counted_and_notes_are_apart(gaps: list[float]) -> None:
    clock = [0.0]
    damper = Damper(1.0, lambda: clock[0])
    noted: list[tuple[int, float]] = []
    for time in accumulate(gaps):
        clock[0] = time
        noted.append((damper.met(), time))
    at = [time for count, time in noted if count]
    assert noted[0][0] == 1
    assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in pairwise(at))
    clock[0] += 1.5
    assert damper.met() + sum(count for count, _ in noted) == len(noted) + 1


def test_what_was_held_back_is_in_the_next_number() -> None:
    clock = [0.0]
    damper = Damper(1.0, lambda: clock[0])
    assert [damper.met() for _ in range(4)] == [1, 0, 0, 0]
    clock[0] = 1.5
    assert damper.met() == 4
