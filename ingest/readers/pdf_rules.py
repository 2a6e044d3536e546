"""The ruled lines of a PDF page, and the grids that they make."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.readers import pdf_calls
from ingest.readers.pdf_layout import turned

_FEW, _STEP = 60, 3
_SAMPLE = 150
_LEAST_IN_SAMPLE = 3
_MOST_OBJECTS = 20_000
_MOST_PATHS = 4_000
_MOST_POINTS = 1_200
_MOST_IN_PATH = 400
_MOST_RULES = 300
_THIN = 3.0
_NEAR = 3.0
_AT = attrgetter("at")
_SHORT = 6.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line at one height (or across, at one distance), from `low` to `high`; points."""

    at: float
    low: float
    high: float

    def reaches(self, place: float) -> bool:
        return self.low - _NEAR <= place <= self.high + _NEAR


@dataclass(frozen=True, slots=True)
class Grid:
    """Rules that touch each other. `xs` from the left and `ys` from the top bound its cells."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    upright: tuple[Rule, ...]

    def columns(self, y: float) -> list[float]:
        """The bounds of the cells at this height: some may reach over several columns."""
        inner = [x for x in self.xs[1:-1] if any(_is(x, rule, y) for rule in self.upright)]
        return [self.xs[0], *inner, self.xs[-1]]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Level rules of the same width, one below the other, without upright ones; `ys` from top."""

    left: float
    right: float
    ys: tuple[float, ...]


def _is(x: float, rule: Rule, y: float) -> bool:
    return abs(rule.at - x) <= _NEAR and rule.low <= y <= rule.high


def ruled(page: pdfium.PdfPage) -> tuple[list[Grid], list[Ladder]]:
    """Grids of at least two by two cells, and ladders of at least three rules."""
    level: list[Rule] = []
    upright: list[Rule] = []
    points, rotation = _Points(), page.get_rotation()
    for path in _paths(page):
        if points.are_spent:
            # A drawing.
            return [], []
        for ends in points.lines(path):
            (x0, y0), (x1, y1) = turned(*ends[:2], rotation), turned(*ends[2:], rotation)
            if abs(y1 - y0) <= _THIN and abs(x1 - x0) >= _SHORT:
                level.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
            elif abs(x1 - x0) <= _THIN and abs(y1 - y0) >= _SHORT:
                upright.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    level, upright = _merged(level), _merged(upright)
    if max(len(level), len(upright)) > _MOST_RULES:
        # A drawing.
        return [], []
    parts = list(_connected(level, upright))
    grids = [grid for part in parts if (grid := _grid(*part)) is not None]
    return grids, _ladders([rule for part in parts if not part[1] for rule in part[0]])


def _paths(page: pdfium.PdfPage) -> list[int]:
    """The page's lines and rectangles; none where a look here and there finds hardly any."""
    count = pdfium_c.FPDFPage_CountObjects(page)
    if not 0 < count <= _MOST_OBJECTS:
        return []
    step = max(count // _SAMPLE, _STEP)
    least = 1 if step == _STEP else _LEAST_IN_SAMPLE
    if count > _FEW and len(_objects(page, range(0, count, step))) < least:
        return []
    found = _objects(page, range(count))
    return found if len(found) <= _MOST_PATHS else []


def _objects(page: pdfium.PdfPage, places: Iterable[int]) -> list[int]:
    raw = pdf_calls.handle(page.raw)
    numbers = (pdf_calls.get_object(raw, at) for at in places)
    return [number for number in numbers if pdf_calls.object_kind(number) == _PATH]


_PATH = pdfium_c.FPDF_PAGEOBJ_PATH
_MOVE, _LINE = pdfium_c.FPDF_SEGMENT_MOVETO, pdfium_c.FPDF_SEGMENT_LINETO


class _Points:
    """Reads where paths go. It keeps what PDFium writes into."""

    def __init__(self) -> None:
        self._x, self._y = ctypes.c_float(), ctypes.c_float()
        self._end = ctypes.addressof(self._x), ctypes.addressof(self._y)
        self._matrix = pdfium_c.FS_MATRIX()
        self._sides = [ctypes.c_float() for _ in range(4)]
        self._sides_at = [ctypes.addressof(side) for side in self._sides]
        self._left = _MOST_POINTS

    @property
    def are_spent(self) -> bool:
        return self._left < 0

    def lines(self, path: int) -> Iterator[tuple[float, float, float, float]]:
        """The straight lines of a path, on the page; a thin path is one line."""
        if not pdf_calls.bounds(path, *self._sides_at):
            return
        left, bottom, right, top = (side.value for side in self._sides)
        if right - left <= _THIN:
            yield (left + right) / 2, bottom, (left + right) / 2, top
        elif top - bottom <= _THIN:
            yield left, (bottom + top) / 2, right, (bottom + top) / 2
        else:
            yield from self._segments(path)

    def _segments(self, path: int) -> Iterator[tuple[float, float, float, float]]:
        count = pdf_calls.segments(path)
        self._left -= count
        if count > _MOST_IN_PATH or self._left < 0:
            return
        if not pdf_calls.matrix(path, ctypes.addressof(self._matrix)):
            return
        here = begun = (0.0, 0.0)
        for at in range(count):
            segment = pdf_calls.segment(path, at)
            kind = pdf_calls.segment_kind(segment)
            there = self._point(segment)
            if kind == _MOVE:
                begun = there
            elif kind == _LINE:
                yield *here, *there
            here = there
            if pdf_calls.segment_closes(segment):
                yield *here, *begun
                here = begun

    def _point(self, segment: int) -> tuple[float, float]:
        pdf_calls.segment_end(segment, *self._end)
        matrix, x, y = self._matrix, self._x.value, self._y.value
        return matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f


def _merged(rules: list[Rule]) -> list[Rule]:
    """Rules of which none lies on or touches another in its own direction."""
    lanes: list[list[Rule]] = []
    for rule in sorted(rules, key=_AT):
        if lanes and rule.at - lanes[-1][0].at <= _NEAR / 2:
            lanes[-1].append(rule)
        else:
            lanes.append([rule])
    found: list[Rule] = []
    for lane in lanes:
        at = lane[0].at
        first, *rest = sorted(lane, key=lambda rule: rule.low)
        low, high = first.low, first.high
        for rule in rest:
            if rule.low > high + _NEAR:
                found.append(Rule(at, low, high))
                low, high = rule.low, rule.high
            high = max(high, rule.high)
        found.append(Rule(at, low, high))
    return found


def _connected(
    level: Sequence[Rule], upright: Sequence[Rule]
) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Level and upright rules that hang together."""
    rules = [*level, *upright]
    group = list(range(len(rules)))

    def root(at: int) -> int:
        while group[at] != at:
            group[at] = group[group[at]]
            at = group[at]
        return at

    for one, flat in enumerate(level):
        for other, tall in enumerate(upright, len(level)):
            if flat.reaches(tall.at) and tall.reaches(flat.at):
                group[root(other)] = root(one)
    parts: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for at, rule in enumerate(rules):
        parts[root(at)][at >= len(level)].append(rule)
    yield from parts.values()


def _grid(level: Sequence[Rule], upright: Sequence[Rule]) -> Grid | None:
    if not level or not upright:
        return None
    sides = [min(rule.low for rule in level), max(rule.high for rule in level)]
    ends = [min(rule.low for rule in upright), max(rule.high for rule in upright)]
    xs = _distinct([*sides, *(rule.at for rule in upright)])
    ys = _distinct([*ends, *(rule.at for rule in level)])
    if len(xs) < 3 or len(ys) < 3:
        return None
    return Grid(tuple(xs), tuple(reversed(ys)), tuple(upright))


def _distinct(places: Iterable[float]) -> list[float]:
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > _NEAR:
            found.append(place)
    return found


def _ladders(level: Iterable[Rule]) -> list[Ladder]:
    groups: list[list[Rule]] = []
    for rule in sorted(level, key=lambda rule: (round(rule.low / _NEAR), rule.high)):
        first = groups[-1][0] if groups else rule
        same = abs(first.low - rule.low) <= _NEAR and abs(first.high - rule.high) <= _NEAR
        if groups and same:
            groups[-1].append(rule)
        else:
            groups.append([rule])
    return [_ladder(group) for group in groups if len(group) > 2]


def _ladder(rules: Sequence[Rule]) -> Ladder:
    ys = sorted((rule.at for rule in rules), reverse=True)
    return Ladder(rules[0].low, rules[0].high, tuple(ys))
