"""Long sources in windows that a model can read whole; nothing is ever cut off. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rag.grounding import Evidence


@dataclass(frozen=True, slots=True)
class Piece:
    """A unit of evidence, or a part of one that is too long to be read at once."""

    unit: int
    passage: int
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What a model reads at once: pieces in the order of the source."""

    pieces: tuple[Piece, ...]

    @property
    def units(self) -> tuple[int, ...]:
        """Indices of the units of evidence in it, each once."""
        return tuple(dict.fromkeys(piece.unit for piece in self.pieces))

    @property
    def passages(self) -> tuple[str, ...]:
        """Its text by passage, in order."""
        groups = groupby(self.pieces, key=lambda piece: piece.passage)
        return tuple(" ".join(piece.text for piece in group) for _, group in groups)

    @property
    def text(self) -> str:
        return "\n".join(self.passages)


def windows(sizes: Sequence[int], room: int, shared: int = 1) -> list[range]:
    """Runs of neighbours that fit into `room` together; all stand in one, in order.

    A run begins again with the last `shared` of the one before where they leave room for more, so
    that neighbours are also read together. Raises ValueError for a size over `room`.
    """
    if any(size > room for size in sizes):
        raise ValueError(f"{max(sizes)} does not fit into {room}")
    found: list[range] = []
    begin = end = 0
    while end < len(sizes):
        begin = _back(sizes, end, room, shared) if found else 0
        total = sum(sizes[begin:end])
        while end < len(sizes) and total + sizes[end] <= room:
            total += sizes[end]
            end += 1
        found.append(range(begin, end))
    return found


def _back(sizes: Sequence[int], end: int, room: int, shared: int) -> int:
    """Where a window that must hold `end` may begin: up to `shared` before it."""
    begin = end
    while begin > max(0, end - shared) and sum(sizes[begin - 1 : end + 1]) <= room:
        begin -= 1
    return begin


def cut(text: str, size: Callable[[str], int], room: int) -> list[str]:
    """Parts of a text, each of a size within `room`, cut between words where there are words.

    Raises ValueError where not even one character fits.
    """
    if size(text) <= room:
        return [text]
    if len(text) < 2:
        raise ValueError(f"a character does not fit into {room}")
    middle = len(text) // 2
    before = text.rfind(" ", 1, middle + 1)
    after = text.find(" ", middle, len(text) - 1)
    near = [place for place in (before, after) if place > 0]
    at = min(near, key=lambda place: abs(place - middle), default=middle)
    halves = (text[:at].rstrip(), text[at:].lstrip())
    return [part for half in halves if half for part in cut(half, size, room)]


def whole(evidence: Sequence[Evidence]) -> View:
    """All of it at once."""
    return View(tuple(Piece(n, unit.passage, unit.text) for n, unit in enumerate(evidence)))


def views(
    evidence: Sequence[Evidence], size: Callable[[Sequence[str]], Sequence[int]], room: int
) -> list[View]:
    """The evidence in windows of at most `room` tokens; `size` counts those of texts.

    Raises ValueError if there is room for nothing.
    """
    pieces: list[Piece] = []
    for piece, tokens in zip(
        whole(evidence).pieces, size([unit.text for unit in evidence]), strict=True
    ):
        parts = [piece.text]
        if tokens > room:
            parts = cut(piece.text, lambda text: size([text])[0], room)
        pieces += [replace(piece, text=part) for part in parts]
    sizes = size([piece.text for piece in pieces])
    return [View(tuple(pieces[n] for n in run)) for run in windows(sizes, room)]


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of like lengths: rows times the longest is at most `budget`, or one row.

    Longest first, so that memory that is too small shows at once.
    """
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        if found and (len(found[-1]) + 1) * lengths[found[-1][0]] <= budget:
            found[-1].append(index)
        else:
            found.append([index])
    return found
