"""The beginning of a prompt cache that was read by itself, so that later prompts start alike.

How many tokens are read at once shows in the last bits of a probability. A prompt that continues an
anchor is read from the anchor's end on, always in the same portions, whatever came in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rag.engines.template import Piece, Render, render_pieces
from rag.types import Message


class Anchor:
    """The token ids of a cache's beginning, as long as no other prompt has overwritten them."""

    def __init__(self) -> None:
        self._ids: tuple[int, ...] = ()

    def stands(self, ids: Sequence[int]) -> bool:
        """True if the cache begins with exactly these, read by themselves."""
        return bool(ids) and self._ids == tuple(ids)

    def put(self, ids: Sequence[int]) -> None:
        """The cache now holds these and nothing else."""
        self._ids = tuple(ids)

    def reused(self, tokens: int) -> None:
        """A prompt keeps only the cache's first `tokens` tokens."""
        if tokens < len(self._ids):
            self._ids = ()


def shared(cached: Iterable[int], prompt: Sequence[int]) -> int:
    """How many tokens of the cache a prompt can keep: its last one is always read."""
    count = 0
    for old, new in zip(cached, prompt[:-1], strict=False):
        if old != new:
            break
        count += 1
    return count


def opening(messages: Sequence[Message], render: Render) -> Sequence[Piece]:
    """The rendered messages without what the template puts after the last one."""
    pieces = render_pieces(messages, render) if messages else []
    return pieces[:-1] if pieces and pieces[-1].trusted else pieces
