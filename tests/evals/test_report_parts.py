"""The small parts of a report: marked texts lose nothing, code spans stay closed, numbers read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.report.blocks import LONG, Span, marked
from evals.report.markdown import code
from evals.report.words import number, percent, time


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(-2, 70), st.integers(-2, 70)), max_size=6),
)
def test_marking_loses_no_text(text: str, places: list[tuple[int, int]]) -> None:
    spans = [Span(a, b, "gold", "tag") for a, b in places]
    found = marked("label", text, spans)
    assert "".join(piece.text for piece in found.pieces) == text
    good = [(a, b) for a, b in places if 0 <= a < b <= len(text)]
    covered = {i for a, b in good for i in range(a, b)}
    shown = [bool(piece.marks) for piece in found.pieces for _ in piece.text]
    assert shown == [i in covered for i in range(len(text))]


def test_marking_cuts_long_texts() -> None:
    found = marked("label", "x" * (LONG + 7), [Span(LONG - 5, LONG + 5, "gold", "tag")])
    assert found.more == 7
    assert found.pieces[-1].tags == ("tag",)


@given(st.text())
def test_code_spans_stay_closed(text: str) -> None:
    shown = code(text)
    assert "\n" not in shown
    if shown != "(empty)":
        fence = re.match("`+", shown)
        assert fence is not None
        inside = shown[len(fence[0]) : -len(fence[0])]
        assert max((len(run) for run in re.findall("`+", inside)), default=0) < len(fence[0])
        assert not re.search(r"(?<!\\)\|", inside)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.500"), (-0.25, "−0.250"), (12.345, "12.35"), (12345.6, "12,346"), (0.0, "0.000")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "50 %"), (0.987, "98.7 %"), (1.0, "100 %"), (0.0, "0 %"), (0.013, "1.3 %")],
)
def test_percentages(value: float, shown: str) -> None:
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.5, "0.50 ms"), (12.34, "12.3 ms"), (1234.0, "1,234 ms"), (12_345, "12.3 s")],
)
def test_times(ms: float, shown: str) -> None:
    assert time(ms) == shown
