"""Texts that are already written, read by a llama.cpp prompt cache for how likely they are."""

from __future__ import annotations

from collections.abc import Sequence

from rag.engines.logits import logprob
from rag.engines.slot import Slot
from rag.engines.windows import Window, pieces

# Positions whose logits are held at once: 78 MB at 152,000 tokens.
PIECE = 128


def window_logprobs(slot: Slot, ids: Sequence[int], window: Window) -> list[float]:
    """Of the window's scored tokens, read into the empty slot; leaves it full of them."""
    found: list[float] = []
    for piece in pieces(window, PIECE):
        slot.read_at_once(ids[piece.begin : piece.end], piece.wanted)
        targets = ids[piece.targets]
        rows = (slot.row(back) for back in range(-len(targets), 0))
        found += [logprob(row, target) for row, target in zip(rows, targets, strict=True)]
    return found
