"""Redaction: spans to what stands in their place.

A masked span becomes `<LABEL>`, a hashed one `<LABEL:1f3a9c2b>`, a pseudonym `<LABEL_1>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rag.types import Action, Finding

MARK = re.compile(r"<[A-Z][A-Z_]{0,47}(?:_[1-9][0-9]{0,8}|:[0-9a-f]{6,8})?>")
"""What stands in place of something hidden, whatever was done to it."""

_BRIDGE = " \t,;"
# What can't be undone comes first.
_STRICTEST: tuple[Action, ...] = ("redact", "hash", "pseudonym")


@dataclass(frozen=True, slots=True)
class Mask:
    """Characters `start:end` that are replaced by a mark of `label`."""

    start: int
    end: int
    label: str
    weight: int
    action: Action = "redact"


Mark = Callable[[Mask, str], str]
"""What stands in place of a mask over these raw characters."""


def plain_mark(mask: Mask, raw: str) -> str:
    """The mark that tells the label alone, such as `<PHONE_NUMBER>`."""
    del raw
    return f"<{mask.label}>"


def masks(text: str, findings: Iterable[Finding]) -> list[Mask]:
    """Disjoint masks in order. Overlapping findings merge; the longest one's label wins.

    Of their actions the one wins that hides most. Masked neighbours of one label with only blanks
    or a comma between them merge too; hashes and pseudonyms don't, for two people stay two.
    """
    spans = sorted((f for f in findings if f.end > f.start), key=lambda f: (f.start, -f.end))
    merged: list[Mask] = []
    for finding in spans:
        length = finding.end - finding.start
        mask = Mask(finding.start, finding.end, finding.label, length, finding.action)
        if merged and _joins(text, merged[-1], mask):
            mask = _join(merged.pop(), mask)
        merged.append(mask)
    return merged


def redact(
    text: str,
    spans: Sequence[Mask],
    mark: Mark = plain_mark,
    between: Callable[[str], str] = str,
) -> str:
    """`text` with every mask replaced by its mark, in order; `between` is done to the rest."""
    parts: list[str] = []
    position = 0
    for mask in spans:
        parts.append(between(text[position : mask.start]))
        parts.append(mark(mask, text[mask.start : mask.end]))
        position = mask.end
    return "".join((*parts, between(text[position:])))


def _joins(text: str, left: Mask, right: Mask) -> bool:
    if right.start < left.end:
        return True
    if (left.label, left.action, right.action) != (right.label, "redact", "redact"):
        return False
    gap = text[left.end : right.start]
    return len(gap) <= 3 and not gap.strip(_BRIDGE)


def _join(left: Mask, right: Mask) -> Mask:
    winner = right if right.weight > left.weight else left
    action = min(left.action, right.action, key=_rank)
    return Mask(left.start, max(left.end, right.end), winner.label, winner.weight, action)


def _rank(action: Action) -> int:
    """Findings of other actions are masked as the strictest."""
    return _STRICTEST.index(action) if action in _STRICTEST else 0
