"""Rows of a spreadsheet as lines that can be read alone: every value with its column's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ingest.errors import UnreadableFile

_MAX_CELLS = 4_000_000
_MAX_CHARACTERS = 64 << 20
_MAX_NAME = 80
_YEAR = re.compile(r"(?:FY ?)?(?:19|20)\d\d(?:[-/ ]?[QH][1-4])?")
_LOOK_AHEAD = 5
_MIN_SHARE = 0.8

Row = Mapping[int, str]
"""The cells of a row that are not blank, by column (0 is the first), in order."""


class Budget:
    """What all sheets of one file may hold. A cell stored once may be repeated a million times."""

    def __init__(self, path: str, cells: int = _MAX_CELLS, characters: int = _MAX_CHARACTERS):
        self._path = path
        self._cells = cells
        self._characters = characters

    def check(self, cells: int, characters: int) -> None:
        """Raises UnreadableFile (too_large) where so much is not left."""
        if cells > self._cells or characters > self._characters:
            what = "many cells" if cells > self._cells else "much text"
            raise UnreadableFile(self._path, "too_large", f"too large: too {what} in its sheets")

    def spend(self, cells: int, characters: int) -> None:
        """Raises UnreadableFile (too_large) where so much is not left."""
        self.check(cells, characters)
        self._cells -= cells
        self._characters -= characters


def row_of(values: Iterable[str]) -> Row:
    """A row of these cells, each on one line."""
    cells = ((column, " ".join(value.split())) for column, value in enumerate(values) if value)
    return {column: text for column, text in cells if text}


class SheetLines:
    """Takes the rows of one sheet in order, blank ones too; `text()` is what they say.

    A row of names above rows of values is a header: "Part | Price", then "Part: B21 | Price: 4".
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._lines: list[str] = []
        self._header: Row = {}
        self._waiting: list[Row] = []
        self._at_top = True

    def add(self, row: Row) -> None:
        """Raises UnreadableFile (too_large)."""
        if not row:
            # Below a gap another table may begin, with a header of its own.
            self._settle()
            self._at_top = True
        elif self._waiting or (self._at_top and len(row) > 1):
            self._waiting.append(row)
            if len(self._waiting) > _LOOK_AHEAD:
                self._settle()
        else:
            self._line(row)

    def text(self) -> str:
        """All rows, one a line. Raises UnreadableFile (too_large)."""
        self._settle()
        return "\n".join(self._lines)

    def _settle(self) -> None:
        """Write the rows that wait, now that it can be told which of them is a header."""
        rows, self._waiting = self._waiting, []
        at = next((at for at in range(len(rows)) if self._is_header(rows, at)), None)
        if rows and (at is not None or not _covers(self._header, rows)):
            self._header = {}
        for index, row in enumerate(rows):
            self._line(row)
            self._header = row if index == at else self._header
            self._at_top = False

    def _is_header(self, rows: list[Row], at: int) -> bool:
        row, below = rows[at], rows[at + 1 :]
        texts = list(row.values())
        named = all(_is_name(text) or _YEAR.fullmatch(text) for text in texts)
        if not named or not any(map(_is_name, texts)) or len(set(texts)) != len(texts):
            return False
        if len(row) < 2 or not _covers(row, below):
            return False
        columns = ([cells[column] for cells in below if column in cells] for column in row)
        values = any(column and not any(map(_is_name, column)) for column in columns)
        # Two columns of words may as well be names and what they stand for.
        return values or (not self._header and len(row) > 2)

    def _line(self, row: Row) -> None:
        names = self._header
        cells = (f"{names[at]}: {text}" if at in names else text for at, text in row.items())
        line = " | ".join(cells)
        self._budget.spend(len(row), len(line))
        self._lines.append(line)


def _covers(header: Row, rows: list[Row]) -> bool:
    """Whether it names the columns of most cells in at least half of these rows.

    Not of all cells: tables stand side by side, and columns without a name happen.
    """
    shares = (sum(column in header for column in row) / len(row) for row in rows)
    covered = sum(share >= _MIN_SHARE for share in shares)
    return covered > 0 and covered * 2 >= len(rows)


def _is_name(text: str) -> bool:
    """Whether a cell may name a column, and is no number, amount, date or label of a form."""
    letters, digits = (sum(map(test, text)) for test in (str.isalpha, str.isdigit))
    return len(text) <= _MAX_NAME and (not digits or letters >= digits) and text[-1] != ":"
