"""Windows: everything is read, nothing is over the room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.checkers.windows import batches, cut, views, windows
from rag.grounding import Evidence

SIZES = st.lists(st.integers(1, 20), max_size=40)
TEXTS = st.lists(st.text("ab c", min_size=1, max_size=60).map(str.strip).filter(bool), max_size=12)


@pytest.mark.parametrize(
    ("sizes", "room", "expected"),
    [
        ([], 5, []),
        ([2, 2], 5, [range(2)]),
        ([2, 2, 2], 5, [range(2), range(1, 3)]),
        ([5, 5], 5, [range(1), range(1, 2)]),
        ([1, 4, 4, 1], 5, [range(2), range(2, 4)]),
        ([2, 2, 2, 2], 6, [range(3), range(2, 4)]),
    ],
)
def test_windows(sizes: list[int], room: int, expected: list[range]) -> None:
    assert windows(sizes, room) == expected


@given(SIZES, st.integers(20, 60), st.integers(0, 3))
def test_all_is_in_a_window_and_none_is_over(sizes: list[int], room: int, shared: int) -> None:
    found = windows(sizes, room, shared)
    assert sorted({place for run in found for place in run}) == list(range(len(sizes)))
    assert all(sum(sizes[place] for place in run) <= room for run in found)
    ends = [run.stop for run in found]
    assert ends == sorted(set(ends))


def test_what_is_too_large_is_said() -> None:
    with pytest.raises(ValueError, match="7 does not fit into 5"):
        windows([2, 7], 5)
    with pytest.raises(ValueError, match="does not fit"):
        cut("ab", lambda _: 9, 5)


@given(st.text(max_size=200), st.integers(1, 20))
def test_parts_of_a_text_are_all_of_it(text: str, room: int) -> None:
    parts = cut(text, len, room)
    assert all(len(part) <= room for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(TEXTS, st.integers(4, 40))
def test_views_hold_every_unit(texts: list[str], room: int) -> None:
    def size(given: Sequence[str]) -> list[int]:
        return [len(text) + 1 for text in given]

    evidence = [Evidence(n // 3, 0, 1, text) for n, text in enumerate(texts)]
    found = views(evidence, size, room)
    assert sorted({unit for view in found for unit in view.units}) == list(range(len(texts)))
    assert all(len(view.text) <= room for view in found)
    read = {n: {p.text for v in found for p in v.pieces if p.unit == n} for n in range(len(texts))}
    for number, text in enumerate(texts):
        assert set("".join(read[number]).split()) or not text.split()
        assert sum(len(part.replace(" ", "")) for part in read[number]) <= len(text)


@given(SIZES, st.integers(1, 100))
def test_batches_hold_each_once(lengths: list[int], budget: int) -> None:
    found = batches(lengths, budget)
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[n] for n in batch) <= budget
