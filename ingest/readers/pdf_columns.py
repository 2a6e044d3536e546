"""Tables by the alignment of their words: rows one below the other with the same wide gaps.

Precision first. What may as well be prose in columns, a contents page, a list or code stays text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from unicodedata import category

from ingest.readers.pdf_layout import Word

# In heights of a line, which is 1.1 to 1.2 em; a space between words is 0.2 to 0.3 of it.
WIDE = 0.9
"""A gap that may lie between two columns."""

_NARROW = 0.3
_PITCH = 2.6
_TIGHT = 1.35
_ALIGNED = 0.4
_LEAST_ALIGNED = 0.6
_MOST_CHARACTERS = 28
_LEAST_ROWS = 3
LEADER = re.compile(r"(?:[.·…_] ?){5,}")
"""What leads the eye from a title to its page."""

_NUMBERING = re.compile(r"(?:\d+\.?)+|[A-Z]\.|[IVX]+\.?|Chapter|Part|Appendix")
_PAGE = re.compile(r"\d{1,4}|[ivxlc]{1,7}")
_CODE = re.compile(r"[{};]|[=!<>]=|\w\(|//|\)$|->|^\s*#|=[\"']|</|/>|(?:\b[0-9a-fA-F]{2}\b ?){8}")
_FAR = float("inf")

_Free = list[tuple[float, float]]
Cells = tuple[tuple[Word, ...], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of words, from left to right."""

    words: tuple[Word, ...]
    bottom: float
    height: float

    def free(self, least: float) -> _Free:
        """Where nothing stands for at least so many points; beside the row nothing does."""
        found, reached = [], -_FAR
        for word in self.words:
            if word.left - reached >= least:
                found.append((reached, word.left))
            reached = max(reached, word.right)
        return [*found, (reached, _FAR)]


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows `start` to `stop` of those given, as cells; `cuts` lie between the columns."""

    start: int
    stop: int
    cuts: tuple[float, ...]
    rows: tuple[Cells, ...]


def aligned(rows: Sequence[Row], text: str, least: int) -> Iterator[Columns]:
    """Tables of at least so many columns among rows from top to bottom. `text` is the page's."""
    at, done = 0, 0
    while at < len(rows):
        if len(rows[at].free(WIDE * rows[at].height)) <= least:
            at += 1
            continue
        free, stop = _grown(rows, at)
        found = _table(rows, (_begun(rows, at, done, free), stop), text, least)
        if found is not None:
            yield found
            done = stop
        # What is no table from here on is none from the next row on either, unless it is short.
        at = stop if found is not None or stop - at > _LEAST_ROWS else at + 1


def _begun(rows: Sequence[Row], at: int, done: int, free: _Free) -> int:
    """Where the table of row `at` begins: rows above with narrower gaps may belong to it."""
    while at > done and _is_near(rows[at - 1], rows[at]):
        if _filled(rows[at - 1], free) < 2 or _narrowed(free, rows[at - 1]) is None:
            break
        at -= 1
    return at


def _table(rows: Sequence[Row], span: tuple[int, int], text: str, least: int) -> Columns | None:
    held = rows[slice(*span)]
    cuts = _cuts(held)
    cells = [split(row.words, cuts) for row in held]
    if not _is_table(cells, text, least):
        return None
    return Columns(*span, tuple(cuts), tuple(_unwrapped(held, cells, text)))


def _grown(rows: Sequence[Row], at: int) -> tuple[_Free, int]:
    """What stays free down the rows from `at` on, and where they end."""
    free = rows[at].free(WIDE * rows[at].height)
    stop = after = at + 1
    while after < len(rows) and after - stop < 2 and _is_near(rows[after - 1], rows[after]):
        row = rows[after]
        less = _narrowed(free, row)
        cells = _filled(row, free)
        if cells > 1 and less is None:
            break
        after += 1
        if less is not None and (cells > 1 or row.words[0].left > free[1][0]):
            # A lone cell belongs to a table only where it cannot be the line below one.
            free, stop = less, after
    return free, stop


def _is_near(above: Row, below: Row) -> bool:
    return 0 < above.bottom - below.bottom <= _PITCH * max(above.height, below.height)


def _filled(row: Row, free: _Free) -> int:
    """Over how many of the columns between what is free the row's words lie."""
    cuts = [(low + high) / 2 for low, high in free[1:-1]]
    return sum(map(bool, split(row.words, cuts)))


def _narrowed(free: _Free, row: Row) -> _Free | None:
    """What stays free with this row; None where it stands in a gap that there was."""
    least = _NARROW * row.height
    own = row.free(least)
    found: _Free = []
    for low, high in free:
        pieces = [(max(low, a), min(high, b)) for a, b in own]
        pieces = [(a, b) for a, b in pieces if b - a >= least]
        if not pieces:
            return None
        found.extend(pieces)
    return found


def _cuts(rows: Sequence[Row]) -> list[float]:
    """The middles of the gaps that all rows leave free, and half of them widely."""
    free: _Free = [(-_FAR, _FAR)]
    for row in rows:
        least = _NARROW * row.height
        own = row.free(least)
        pieces = ((max(a, c), min(b, d)) for a, b in free for c, d in own)
        free = [(low, high) for low, high in pieces if high - low >= least]
    return [(low + high) / 2 for low, high in free[1:-1] if _is_wide(rows, (low + high) / 2)]


def _is_wide(rows: Sequence[Row], cut: float) -> bool:
    around = [gap for row in rows if (gap := _gap_at(row, cut)) is not None]
    return sum(around) * 2 >= len(around) > 0


def _gap_at(row: Row, cut: float) -> bool | None:
    """Whether a row's gap around here is wide; None where it has words on one side only."""
    before = [word.right for word in row.words if word.right <= cut]
    after = [word.left for word in row.words if word.left >= cut]
    return min(after) - max(before) >= WIDE * row.height if before and after else None


def split(words: Sequence[Word], cuts: Sequence[float]) -> Cells:
    """The words by the column that their middles lie in."""
    cells: list[list[Word]] = [[] for _ in range(len(cuts) + 1)]
    for word in words:
        cells[bisect_left(cuts, word.x)].append(word)
    return tuple(map(tuple, cells))


def is_readable(cell: Sequence[Word], text: str) -> bool:
    """Whether it says something: fonts that name no characters give ones without a meaning."""
    return any(category(char) != "Co" for word in cell for char in text[word.start : word.end])


def _is_table(rows: Sequence[Cells], text: str, least: int) -> bool:
    full = [sum(is_readable(cell, text) for cell in row) for row in rows]
    if len(rows) < _LEAST_ROWS or len(rows[0]) < least:
        return False
    if sum(count >= least for count in full) * 10 < 6 * len(rows):
        return False
    said = [[_said(cell, text) for cell in row] for row in rows]
    cells = [cell for row in said for cell in row if cell]
    if fmean(map(len, cells)) > _MOST_CHARACTERS:
        return False
    columns = list(zip(*rows, strict=True))
    if fmean(map(_alignment, columns)) < _LEAST_ALIGNED:
        return False
    return not (_is_contents(said) or _is_code(said) or _is_prose(cells))


def _said(cell: Sequence[Word], text: str) -> str:
    return " ".join(text[word.start : word.end] for word in cell)


def _alignment(cells: Sequence[Sequence[Word]]) -> float:
    """The largest share of a column's cells with the same left side, right side or middle."""
    sides = [(cell[0].left, cell[-1].right, cell[0].height) for cell in cells if cell]
    best = 0
    for places in ([s[0] for s in sides], [s[1] for s in sides], [sum(s[:2]) / 2 for s in sides]):
        best = max(
            best, *(sum(abs(p - q) <= _ALIGNED * sides[0][2] for q in places) for p in places)
        )
    return best / len(sides)


def _is_contents(rows: Sequence[Sequence[str]]) -> bool:
    """Whether it says on which page what begins."""
    if any(LEADER.search(cell) for row in rows for cell in row):
        return True
    last = [row[-1] for row in rows if row[-1]]
    pages = [int(page) for page in last if page.isdecimal()]
    rising = all(a <= b for a, b in pairwise(pages))
    numbered = sum(bool(row[0]) and bool(_NUMBERING.match(row[0])) for row in rows)
    listed = all(map(_PAGE.fullmatch, last)) and rising and len(rows[0]) <= 3
    return listed and numbered * 2 >= len(rows)


def _is_code(rows: Sequence[Sequence[str]]) -> bool:
    return sum(bool(_CODE.search(" ".join(row))) for row in rows) * 5 >= 2 * len(rows)


def _is_prose(cells: Sequence[str]) -> bool:
    """Whether many cells go on in the middle of a sentence."""
    flowing = sum(cell[0].islower() and " " in cell for cell in cells)
    return flowing * 10 > 3 * len(cells)


def _unwrapped(rows: Sequence[Row], cells: Sequence[Cells], text: str) -> Iterator[Cells]:
    """Rows, with a lone cell right below one of its column put into the row that it goes on."""
    held: Cells | None = None
    for at, found in enumerate(cells):
        if held is not None and _goes_on(rows[at - 1], rows[at], held, found, text):
            held = tuple(above + below for above, below in zip(held, found, strict=True))
            continue
        if held is not None:
            yield held
        held = found
    if held is not None:
        yield held


def _goes_on(above: Row, below: Row, held: Cells, found: Cells, text: str) -> bool:
    filled = [at for at, cell in enumerate(found) if cell]
    tight = above.bottom - below.bottom <= _TIGHT * max(above.height, below.height)
    if len(filled) != 1 or filled[0] == 0 or not tight or not held[filled[0]]:
        return False
    return not any(char.isdigit() for char in _said(found[filled[0]], text))
