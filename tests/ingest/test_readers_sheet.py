"""Rows of any spreadsheet: which of them name the columns, and how many there may be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import UnreadableFile
from ingest.readers.sheet import Budget, SheetLines, row_of


def lines(rows: Sequence[Sequence[str]], budget: Budget | None = None) -> list[str]:
    sheet = SheetLines(budget or Budget("a"))
    for row in rows:
        sheet.add(row_of(row))
    return sheet.text().split("\n")


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([["Prices 2024"], [], ["Part", "Price"], ["B21", "4"]], "Part: B21 | Price: 4"),
        ([["Region", "2023", "2024"], ["North", "5", "6"]], "Region: North | 2023: 5 | 2024: 6"),
        ([["a", "b", "c"], ["x", "y", "z"]], "a: x | b: y | c: z"),
        ([["#", "Name"], ["1", "Ada"]], "#: 1 | Name: Ada"),
        # Two columns of words may be names and what they stand for.
        ([["Name", "Ada"], ["Role", "Lead"]], "Role | Lead"),
        ([["Name:", "Ada:"], ["Age", "36"]], "Age | 36"),
        ([["5", "6"], ["7", "8"]], "7 | 8"),
        ([["a", "a"], ["7", "8"]], "7 | 8"),
        ([["Part", "Price"], ["B21", "4"], [], ["Total", "4"]], "Part: Total | Price: 4"),
        ([["P", "Q"], ["B", "4"], [], ["X", "Y"], ["C", "5"]], "X: C | Y: 5"),
        ([["P", "Q"], ["B", "4"], [], ["", "", "X", "Y"], ["", "", "C", "5"]], "X: C | Y: 5"),
        ([["P", "Q"], ["B", "4"], [], ["", "", "1", "2"], ["", "", "3", "5"]], "3 | 5"),
        ([["P", "Q"], ["B", "4", "loose"]], "B | 4 | loose"),
        ([list("PQRS"), ["B", "4", "5", "6", "loose"]], "P: B | Q: 4 | R: 5 | S: 6 | loose"),
    ],
)
def test_headers(rows: Sequence[Sequence[str]], last: str) -> None:
    assert lines(rows)[-1] == last


CELLS = st.sampled_from(["", "Part", "Price", "Note", "B21", "4", "2024", "Sum:"])


@given(st.lists(st.lists(CELLS, max_size=5), max_size=12))
def test_every_cell_is_kept_once(rows: list[list[str]]) -> None:
    filled = [row for row in rows if any(row)]
    shown = lines(rows) if filled else []
    assert len(shown) == len(filled)
    for row, line in zip(filled, shown, strict=True):
        values = [cell.rpartition(": ")[2] for cell in line.split(" | ")]
        assert values == [cell for cell in row if cell]


@pytest.mark.parametrize(
    ("budget", "what"),
    [(Budget("a", cells=9), "too many cells"), (Budget("a", characters=9), "too much text")],
)
def test_a_budget_ends(budget: Budget, what: str) -> None:
    with pytest.raises(UnreadableFile, match=what):
        lines([["some", "words"]] * 5, budget)
