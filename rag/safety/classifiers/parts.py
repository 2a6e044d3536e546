"""Texts longer than a model reads at once, in overlapping parts. Pure; nothing is ever cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rag.checkers.windows import cut, windows

# A part is of about this many pieces, and begins again with the last of the one before.
PIECES = 4
# Tokens that joining two pieces may add.
JOINT = 1


def parts(text: str, size: Callable[[str], int], room: int) -> list[str]:
    """The text, or slices of it that each fit into `room` by `size`; neighbours share a quarter.

    All of it but blanks stands in one. Raises ValueError where not even one character fits.
    """
    if size(text) <= room:
        return [text]
    spans = _spans(text, cut(text, size, max(1, room // PIECES - JOINT)))
    sizes = [size(text[start:end]) + JOINT for start, end in spans]
    return [text[spans[run[0]][0] : spans[run[-1]][1]] for run in windows(sizes, room)]


def _spans(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Where the pieces stand, which follow each other with only blanks between."""
    spans, at = [], 0
    for piece in pieces:
        start = text.index(piece, at)
        at = start + len(piece)
        spans.append((start, at))
    return spans
