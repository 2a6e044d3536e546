"""A text in the segments that a stream would release, each with what is seen before it.

What is found is judged from a segment and the context before it, never from what follows. So a
text gives the same findings whether it comes whole or segment by segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rag.safety.segment import CAP, Place, advance, next_boundary
from rag.safety.stream import Behind


@dataclass(frozen=True, slots=True)
class Piece:
    """The segment of a text that begins at `start`, and the context that a stream shows with it."""

    start: int
    segment: str
    context: str

    @property
    def text(self) -> str:
        return self.context + self.segment


def pieces(text: str) -> Iterator[Piece]:
    """The segments of `text` in order, as `rag.safety.stream.filter_text` cuts them."""
    place, behind, start = Place(), Behind(), 0
    while start < len(text):
        pending = text[start : start + CAP]
        length = next_boundary(pending, place, 0, start + CAP >= len(text)) or len(pending)
        segment = pending[:length]
        yield Piece(start, segment, behind.shown)
        place, behind, start = advance(place, segment), behind.after(segment), start + length


def near(text: str, start: int, reach: int) -> int:
    """Where the whole words of the `reach` characters before `start` begin."""
    first = max(0, start - reach)
    while 0 < first < start and not text[first - 1].isspace():
        first += 1
    return first
