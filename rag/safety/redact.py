"""Redaction: spans to placeholders. Edits from the end, so that offsets stay true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.types import Finding

_BRIDGE = " \t,;"


@dataclass(frozen=True, slots=True)
class Mask:
    """Characters `start:end` that are replaced by `<label>`."""

    start: int
    end: int
    label: str
    weight: int


def masks(text: str, findings: Iterable[Finding]) -> list[Mask]:
    """Disjoint masks in order. Overlapping findings merge and the longest one's label wins.

    Neighbours of one label with only blanks or a comma between them merge too.
    """
    spans = sorted((f for f in findings if f.end > f.start), key=lambda f: (f.start, -f.end))
    merged: list[Mask] = []
    for finding in spans:
        mask = Mask(finding.start, finding.end, finding.label, finding.end - finding.start)
        if merged and _joins(text, merged[-1], mask):
            mask = _join(merged.pop(), mask)
        merged.append(mask)
    return merged


def redact(text: str, spans: Sequence[Mask]) -> str:
    """`text` with every mask replaced by its placeholder, such as `<PHONE_NUMBER>`."""
    for mask in reversed(spans):
        text = f"{text[: mask.start]}<{mask.label}>{text[mask.end :]}"
    return text


def _joins(text: str, left: Mask, right: Mask) -> bool:
    if right.start < left.end:
        return True
    gap = text[left.end : right.start]
    return left.label == right.label and len(gap) <= 3 and not gap.strip(_BRIDGE)


def _join(left: Mask, right: Mask) -> Mask:
    winner = right if right.weight > left.weight else left
    return Mask(left.start, max(left.end, right.end), winner.label, winner.weight)
