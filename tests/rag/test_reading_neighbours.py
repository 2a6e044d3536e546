"""A sentence is kept with what it needs to be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.prompt import Budget, smooth


@given(st.lists(st.floats(0, 2), min_size=1, max_size=12))
def test_the_best_sentence_never_loses_its_neighbours_to_the_floor(values: list[float]) -> None:
    shared = smooth(values)
    best = max(range(len(values)), key=values.__getitem__)
    least = Budget(512, 512).floor * max(shared)
    beside = [index for index in (best - 1, best + 1) if 0 <= index < len(values)]
    assert all(shared[index] >= least for index in beside)
