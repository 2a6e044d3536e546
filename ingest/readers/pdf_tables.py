"""Tables of a PDF page by geometry: grids of ruled lines first, then words in columns.

Every word of the page is either in exactly one cell of one table or in the text around them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter

import pypdfium2 as pdfium

from ingest.readers.pdf_columns import (
    LEADER,
    WIDE,
    Cells,
    Columns,
    Row,
    aligned,
    is_readable,
    split,
)
from ingest.readers.pdf_layout import LOOSE, Layout, Line, Word
from ingest.readers.pdf_rules import Grid, Ladder, ruled

_WORD = re.compile(r"\S+")
_MOST_WORDS = 20_000
_MOST_CHARACTERS_A_CELL = 1_500
_AROUND = 2
_COLUMNS = 3
_SAME_HEIGHT = 0.6
_START, _LEFT, _BOTTOM, _HEIGHT, _Y = map(attrgetter, ("start", "left", "bottom", "height", "y"))
_NUMBER = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells from top to bottom; a cell's words are in reading order, "" where empty.

    `cuts` are the places between the columns in points.
    """

    rows: tuple[tuple[str, ...], ...]
    cuts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A table by its words."""

    rows: tuple[Cells, ...]
    cuts: tuple[float, ...]

    def words(self) -> Iterator[Word]:
        return (word for row in self.rows for cell in row for word in cell)

    @property
    def start(self) -> int:
        """Where in the page's text its first word stands."""
        return min(word.start for word in self.words())


def blocks(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, text: str) -> list[str | Table]:
    """The page's text cut into what stands in tables and what does not, in the text's order.

    `text` is the text page's own, and is the only block where the page has no table.
    """
    # Of some fonts PDFium tells text that has not one character for each place.
    if len(text) != textpage.count_chars():
        return [text]
    found = _tables(page, Layout(textpage, text, page.get_rotation()), text)
    if not found:
        return [text]
    found.sort(key=lambda table: table.start)
    taken = {word.start for table in found for word in table.words()}
    made: list[str | Table] = []
    ends = [table.start for table in found]
    for start, end in pairwise([0, *ends, len(text)]):
        made.append(_without(text, start, end, taken))
        if len(made) < 2 * len(found):
            made.append(_shown(found[len(made) // 2], text))
    return made


def _shown(table: _Found, text: str) -> Table:
    """Without the columns that hold nothing."""
    kept = [at for at, column in enumerate(zip(*table.rows, strict=True)) if any(column)]
    rows = tuple(tuple(_written(row[at], text) for at in kept) for row in table.rows)
    return Table(rows, tuple(table.cuts[at - 1] for at in kept[1:]))


def _without(text: str, start: int, end: int, taken: set[int]) -> str:
    """A stretch of the text but for the words that are taken; what had only such lines is gone."""
    lines: list[str] = []
    for line in re.finditer(r"[^\n]*(?:\n|$)", text[start:end]):
        first, last = start + line.start(), start + line.end()
        words = list(_WORD.finditer(text, first, last))
        left = [match[0] for match in words if match.start() not in taken]
        if len(left) == len(words):
            lines.append(line[0])
        elif left:
            lines.append(" ".join(left) + ("\r\n" if line[0].endswith("\n") else ""))
    return "".join(lines)


_LINE_HYPHENS = ("\x02", "\ufffe")


def _written(cell: Sequence[Word], text: str) -> str:
    """The words of a cell; a line's hyphen still stands before the line's end."""
    words = [text[word.start : word.end] for word in cell]
    return "".join(w + ("\n" if w.endswith(_LINE_HYPHENS) else " ") for w in words).rstrip(" \n")


def _tables(page: pdfium.PdfPage, layout: Layout, text: str) -> list[_Found]:
    grids, ladders = ruled(page)
    is_loose = layout.is_loose
    if not grids and not ladders and not is_loose:
        return []
    taken: set[int] = set()
    found: list[_Found] = []
    for grid in sorted(grids, key=_size):
        table = _in_grid(grid, layout, text, taken)
        if table is not None:
            found.append(table)
            taken.update(word.start for word in table.words())
    for ladder in ladders:
        _keep(_on_ladder(ladder, layout, text, taken), found, taken)
    if is_loose:
        _keep(_in_text(layout, text, taken), found, taken)
    return found


def _keep(tables: Iterable[_Found], found: list[_Found], taken: set[int]) -> None:
    for table in tables:
        words = {word.start for word in table.words()}
        if not words & taken:
            found.append(table)
            taken |= words


def _size(grid: Grid) -> float:
    # Of one in another, the inner.
    return (grid.xs[-1] - grid.xs[0]) * (grid.ys[0] - grid.ys[-1])


def _may_be(line: Line, text: str) -> bool:
    """Whether it has words beside each other, and none of the dots of a contents page."""
    shown = [text[start:end] for start, end in line.spans]
    return (len(shown) > 1 or " " in shown[0]) and not any(map(LEADER.search, shown))


def _lines(layout: Layout, left: float, right: float, ys: Sequence[float]) -> list[Line]:
    """The lines of which something may stand between these bounds."""
    top, bottom = ys[0], ys[-1]
    found = (line for line in layout.lines if bottom <= line.middle <= top)
    return [line for line in found if line.left <= right and line.right >= left]


def _inside(
    layout: Layout, lines: Iterable[Line], sides: tuple[float, float], taken: set[int]
) -> list[Word]:
    """The words of the lines that nobody has and whose middles lie between the sides."""
    left, right = sides
    found = (word for line in lines for word in layout.words(line) if left <= word.x <= right)
    return [word for word in found if word.start not in taken]


def _rows(words: Iterable[Word]) -> list[Row]:
    """Words as they stand beside each other, from top to bottom."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=_Y, reverse=True):
        first = rows[-1][0] if rows else None
        if first and first.y - word.y <= _SAME_HEIGHT * min(first.height, word.height):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [
        Row(tuple(sorted(row, key=_LEFT)), min(map(_BOTTOM, row)), max(map(_HEIGHT, row)))
        for row in rows
    ]


def _bands(grid: Grid, words: Iterable[Word]) -> list[list[Word]]:
    """The words between each two level rules, from the top."""
    falling = [-y for y in grid.ys]
    found: list[list[Word]] = [[] for _ in falling[1:]]
    for word in words:
        at = bisect_left(falling, -word.y) - 1
        found[min(max(at, 0), len(found) - 1)].append(word)
    return found


def _in_grid(grid: Grid, layout: Layout, text: str, taken: set[int]) -> _Found | None:
    sides = grid.xs[0], grid.xs[-1]
    lines = _lines(layout, *sides, grid.ys)
    if not _fills(grid, lines):
        return None
    words = _inside(layout, lines, sides, taken)
    bands = _bands(grid, words)
    if sum(map(bool, bands)) < 2 or len(words) > _MOST_WORDS:
        return None
    cuts = grid.xs[1:-1]
    made: list[Cells] = []
    for (top, bottom), band in zip(pairwise(grid.ys), bands, strict=True):
        rows = _rows(band)
        several = len(grid.ys) <= 4 and _are_rows(rows, cuts, text)
        for group in [[row] for row in rows] if several else [rows]:
            if group:
                made.append(_cells(grid, group, (top + bottom) / 2))
    return _Found(tuple(made), cuts) if _is_grid(made, text) else None


def _fills(grid: Grid, lines: Sequence[Line]) -> bool:
    """Whether lines stand in several rows and columns, as far as their ends tell."""
    falling = [-y for y in grid.ys]
    rows = {bisect_left(falling, -line.middle) for line in lines}
    columns = {bisect_left(grid.xs, side) for line in lines for side in (line.left, line.right)}
    return len(rows) > 1 and len(columns) > 1


def _cells(grid: Grid, rows: Sequence[Row], y: float) -> Cells:
    """The cells of a row of the grid; one that reaches over columns stands in its first."""
    bounds = grid.columns(y)
    cells: list[tuple[Word, ...]] = [()] * (len(grid.xs) - 1)
    parts = [split(row.words, bounds[1:-1]) for row in rows]
    for at, left in enumerate(bounds[:-1]):
        lines = (sorted(part[at], key=_START) for part in parts)
        cells[grid.xs.index(left)] = tuple(word for line in lines for word in line)
    return tuple(cells)


def _are_rows(rows: Sequence[Row], cuts: Sequence[float], text: str) -> bool:
    """Whether the lines between two level rules are rows, not what was wrapped."""
    if len(rows) < 3:
        return False
    cells = [split(row.words, cuts) for row in rows]
    full = sum(bool(row[0]) and sum(map(bool, row)) > 1 for row in cells)
    columns = list(zip(*cells, strict=True))[1:]
    values = any(
        sum(_is_value(cell, text) for cell in column) * 4 >= 3 * len(rows) for column in columns
    )
    return values and full * 4 >= 3 * len(rows)


def _is_value(cell: Sequence[Word], text: str) -> bool:
    return 0 < len(cell) <= 3 and any(_NUMBER.search(text, w.start, w.end) for w in cell)


def _is_grid(rows: Sequence[Cells], text: str) -> bool:
    """Whether rules frame rows of values, not a page or a drawing."""
    said = [[is_readable(cell, text) for cell in row] for row in rows]
    counts = list(map(sum, said))
    columns = [sum(column) for column in zip(*said, strict=True)]
    if sum(count > 1 for count in counts) < 2 or sum(count > 1 for count in columns) < 2:
        return False
    if sum(counts) * 5 < 2 * len(rows) * sum(map(bool, columns)):
        return False
    sizes = (sum(w.end - w.start for w in cell) for row in rows for cell in row)
    return max(sizes) <= _MOST_CHARACTERS_A_CELL


def _on_ladder(ladder: Ladder, layout: Layout, text: str, taken: set[int]) -> Iterator[_Found]:
    sides = ladder.left, ladder.right
    words = _inside(layout, _lines(layout, *sides, ladder.ys), sides, taken)
    if len(words) <= _MOST_WORDS:
        yield from map(_found, aligned(_rows(words), text, 2))


def _in_text(layout: Layout, text: str, taken: set[int]) -> Iterator[_Found]:
    lines = layout.lines
    loose = (at for at, line in enumerate(lines) if line.looseness > LOOSE and _may_be(line, text))
    rows = {at: row for at in loose if (row := _text_row(layout, at, taken)) is not None}
    seeds = [at for at, row in rows.items() if len(row.free(WIDE * row.height)) > _COLUMNS]
    # One such line alone is no table.
    pairs = [pair for pair in pairwise(seeds) if pair[1] - pair[0] <= _AROUND]
    near = {at + by for pair in pairs for at in pair for by in range(-_AROUND, _AROUND + 1)}
    places = sorted(at for at in near if 0 <= at < len(layout.lines))
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        found = (rows.get(at) or _text_row(layout, at, taken) for _, at in run)
        yield from map(_found, aligned([row for row in found if row is not None], text, _COLUMNS))


def _text_row(layout: Layout, at: int, taken: set[int]) -> Row | None:
    line = layout.lines[at]
    words = layout.words(line)
    if any(word.start in taken for word in words):
        return None
    return Row(tuple(words), line.bottom, line.height)


def _found(columns: Columns) -> _Found:
    return _Found(columns.rows, columns.cuts)
