"""Where the words of a PDF page stand: lines first, words only of the lines that are asked for.

Points, y upwards, as the page is seen. Asking PDFium for a place costs about as much as it
takes to read twenty characters, so two places a line are looked at, and two a word where needed.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import attrgetter

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.readers.pdf_calls import char_box, handle, loose_box

_LINE = re.compile(r"\S(?:[^\r\n]*\S)?")
_WORD = re.compile(r"\S+")
_SAME_LINE = 0.25
_BESIDE = 9.0
_LEVEL = 0.6
_NEAR = 2
_LOOSER, _LOOSEST = 1.3, 0.75
LOOSE = 0.6
"""Room for a character, in heights of its line, that words with spaces between them do not take.

They take 0.33 to 0.55 as a rule.
"""
_LEFT = attrgetter("left")


@dataclass(frozen=True, slots=True)
class Word:
    """The characters `start` to `end` of a page's text, the box around them and its middle."""

    start: int
    end: int
    left: float
    right: float
    bottom: float
    height: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it looks: one stretch of the page's text or more, side by side."""

    spans: tuple[tuple[int, int], ...]
    left: float
    right: float
    bottom: float
    height: float

    @property
    def looseness(self) -> float:
        """How much room a character takes, in heights of the line."""
        characters = sum(end - start for start, end in self.spans)
        return (self.right - self.left) / (max(self.height, 1e-3) * characters)

    @property
    def middle(self) -> float:
        return self.bottom + self.height / 2


class Layout:
    """Lines and words of one page. `text` must be all of the text page's own text."""

    def __init__(self, textpage: pdfium.PdfTextPage, text: str, rotation: int = 0) -> None:
        self._page = handle(textpage.raw)
        self._rotation = rotation
        self._text = text
        self._box = pdfium_c.FS_RECTF()
        self._box_at = ctypes.addressof(self._box)
        self._sides = [ctypes.c_double() for _ in range(4)]
        self._sides_at = [ctypes.addressof(side) for side in self._sides]

    @property
    def is_loose(self) -> bool:
        """Whether lines near each other take clearly more room than words with spaces do."""
        rates = self._rates()
        usual = sorted(rates)[len(rates) // 2] if rates else 0.0
        # Where the whole page is a table, what is usual there is loose.
        least = min(max(LOOSE, _LOOSER * usual), _LOOSEST)
        loose = [at for at, rate in enumerate(rates) if rate > least]
        return any(after - at <= _NEAR for at, after in pairwise(loose))

    def _rates(self) -> list[float]:
        """How much room a character of each stretch takes, in heights of its line.

        What stands beside the stretch before it, or ends on another height, counts as loose.
        """
        # The inner loop of every page that has no table: no objects, no calls that can be spared.
        page, box, box_at = self._page, self._box, self._box_at
        sides, (left, right, bottom, top) = self._sides, self._sides_at
        found: list[float] = []
        before, reached = -1e9, 0.0
        for match in _LINE.finditer(self._text):
            start, end = match.span()
            loose_box(page, start, box_at)
            char_box(page, end - 1, left, right, bottom, top)
            low, high, begun = box.bottom, box.top, box.left
            last = sides[1].value
            if self._rotation:
                found.append(_BESIDE)
                continue
            beside = abs(low - before) < 1.0 and begun >= reached
            beside = beside or sides[3].value < low or sides[2].value > high
            room = abs(last - begun) / (abs(high - low) * (end - start) or 1.0)
            found.append(_BESIDE if beside else room)
            before, reached = low, last
        return found

    @cached_property
    def lines(self) -> Sequence[Line]:
        """In the order of the text. What follows on the same height is the same line."""
        found: list[Line] = []
        for span in self._stretches():
            line = Line((span,), *self._place(*span))
            if found and _continues(found[-1], line):
                line = _joined(found.pop(), line)
            found.append(line)
        return found

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """The lines of the text; PDFium now and then runs several into one."""
        for match in _LINE.finditer(self._text):
            *_, bottom, height = self._place(*match.span())
            last = self._sides[2].value, self._sides[3].value
            if not self._rotation and not (last[1] < bottom or last[0] > bottom + height):
                yield match.span()
            else:
                yield from self._level(match)

    def _level(self, line: re.Match[str]) -> Iterator[tuple[int, int]]:
        """What of a line is on one height."""
        words = [self._word(*word.span()) for word in _WORD.finditer(self._text, *line.span())]
        start = words[0]
        for word, after in zip(words, [*words[1:], None], strict=True):
            if after is None or abs(after.y - word.y) > _LEVEL * word.height:
                yield start.start, word.end
                start = after or start

    def words(self, line: Line) -> list[Word]:
        """From left to right."""
        found = [
            self._word(*match.span())
            for start, end in line.spans
            for match in _WORD.finditer(self._text, start, end)
        ]
        found.sort(key=_LEFT)
        return found

    def _word(self, start: int, end: int) -> Word:
        left, right, bottom, height = self._place(start, end)
        middle = (left + right) / 2, bottom + height / 2
        return Word(start, end, left, right, bottom, height, *middle)

    def _place(self, start: int, end: int) -> tuple[float, float, float, float]:
        """Left, right, bottom and height of a stretch, by its first and its last character."""
        box, sides = self._box, self._sides
        loose_box(self._page, start, self._box_at)
        char_box(self._page, end - 1, *self._sides_at)
        first = box.left, box.bottom, box.right, box.top
        last = sides[0].value, sides[2].value, sides[1].value, sides[3].value
        if self._rotation:
            first, last = _turned_box(first, self._rotation), _turned_box(last, self._rotation)
        low, high = sorted((first[1], first[3]))
        return min(first[0], last[0]), max(first[2], last[2]), low, high - low


def turned(x: float, y: float, rotation: int) -> tuple[float, float]:
    """A place as it is seen on a page that is shown turned clockwise by so many degrees."""
    if rotation == 90:
        return y, -x
    if rotation == 180:
        return -x, -y
    return (-y, x) if rotation == 270 else (x, y)


_Box = tuple[float, float, float, float]


def _turned_box(box: _Box, rotation: int) -> _Box:
    (x0, y0), (x1, y1) = turned(*box[:2], rotation), turned(*box[2:], rotation)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _continues(line: Line, after: Line) -> bool:
    apart = abs(line.bottom - after.bottom)
    return after.left >= line.right and apart < _SAME_LINE * min(line.height, after.height)


def _joined(line: Line, after: Line) -> Line:
    spans = line.spans + after.spans
    bottom, height = min(line.bottom, after.bottom), max(line.height, after.height)
    return Line(spans, line.left, after.right, bottom, height)
