"""How a text longer than a model's window is read so that every token is scored exactly once. Pure.

The first window scores all it holds; each later one begins anew, `stride` tokens further on, and
scores only its last `stride` tokens: the rest is what they are conditioned on. (The strided
evaluation of fixed-length models in transformers' documentation.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rag.errors import EngineError


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `first:end` of a text are scored, given those from `start` on. start < first < end."""

    start: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `begin:end` are read at once; the last `wanted` of them predict the token after."""

    begin: int
    end: int
    wanted: int

    @property
    def targets(self) -> slice:
        """The tokens that this piece predicts."""
        return slice(self.end + 1 - self.wanted, self.end + 1)


def checked_stride(engine: str, window: int, stride: int) -> int:
    """The stride in tokens, 0 meaning half the window. Raises EngineError if it can't be used.

    More than half the window would score tokens with less than half a window before them.
    """
    half = window // 2
    if half < 1:
        raise EngineError(engine, f"a window of {window} tokens scores no text")
    if stride < 0 or stride > half:
        raise EngineError(engine, f"the stride is {stride}, not 1 to {half} (half the window)")
    return stride or half


def windows(tokens: int, window: int, stride: int) -> Iterator[Window]:
    """Windows over `tokens` tokens that score each but the first, which nothing stands before."""
    first = 1
    while first < tokens:
        end = min(tokens, window if first == 1 else first + stride)
        yield Window(max(0, end - window), first, end)
        first = end


def pieces(window: Window, size: int) -> Iterator[Piece]:
    """A window in pieces of at most `size` tokens. Its last token is only a target, never read."""
    last = window.end - 1
    for begin in range(window.start, last, size):
        end = min(begin + size, last)
        yield Piece(begin, end, max(0, end - max(begin, window.first - 1)))


def sound(text: str) -> str:
    """`text` as UTF-8 can carry it: half surrogate pairs become question marks."""
    return text.encode("utf-8", errors="replace").decode()
