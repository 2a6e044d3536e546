"""Which of the model's tokens a reader was shown, and how sure it was of each. Pure.

Tokens of withheld text never come here, and those that touch anything hidden are left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from rag.safety.redact import masks
from rag.safety.rules import MASKED
from rag.types import Released, Token


def shown_tokens(tokens: Sequence[Token], released: Released) -> tuple[Token, ...]:
    """The tokens of a segment that may be shown, cut to it; `tokens` are all from the first on.

    A character of several tokens is one here, as likely as all of them together.
    """
    whole = _characters(tokens)
    ends = list(accumulate(len(token.text) for token in whole))
    first, last = bisect_right(ends, released.start), bisect_left(ends, released.end)
    cuts = [
        _cut(token, ends[index], released)
        for index, token in enumerate(whole[first : last + 1], start=first)
    ]
    hidden = _hidden("".join(token.text for _, token in cuts), released)
    return tuple(
        token
        for start, token in cuts
        if not any(start < end and begin < start + len(token.text) for begin, end in hidden)
    )


def laid_out(text: str, tokens: Sequence[Token]) -> list[tuple[str, float | None]]:
    """A shown text in pieces, each with its token's probability; None where there is no token."""
    pieces: list[tuple[str, float | None]] = []
    position = 0
    for token in tokens:
        start = text.find(token.text, position)
        if start < 0:
            continue
        if start > position:
            pieces.append((text[position:start], None))
        position = start + len(token.text)
        pieces.append((token.text, math.exp(min(0.0, token.logprob))))
    return [*pieces, (text[position:], None)] if position < len(text) else pieces


def _characters(tokens: Sequence[Token]) -> list[Token]:
    """Tokens with a text each: what stands inside a character goes to the token that ends it."""
    whole: list[Token] = []
    owed = 0.0
    for token in tokens:
        owed += token.logprob
        if token.text:
            whole.append(replace(token, logprob=owed))
            owed = 0.0
    return whole


def _cut(token: Token, end: int, released: Released) -> tuple[int, Token]:
    """The part of a token that lies in the segment, and where in the segment it starts."""
    start = end - len(token.text)
    left, right = max(start, released.start), min(end, released.end)
    return left - released.start, replace(token, text=token.text[left - start : right - start])


def _hidden(raw: str, released: Released) -> list[tuple[int, int]]:
    acted = (found for found in released.verdict.findings if found.action in MASKED)
    return [(mask.start, mask.end) for mask in masks(raw, acted)]
