"""The sentences of a prompt as evidence: for the checker, for the flags, and as exact quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.grounding import Evidence
from rag.prompt import Packed, Unit
from rag.reading import Reading, quotable
from rag.safety.redact import Mask
from rag.types import Citation, Passage

VEIL = "•"
MAX_QUOTES = 3
LEAST_QUOTE = 12


def evidence_of(packed: Packed) -> list[Evidence]:
    """The units of a prompt as a checker takes them."""
    return [Evidence(unit.passage, unit.start, unit.end, unit.text) for unit in packed.units]


def texts_of(packed: Packed, passages: Sequence[Passage]) -> Iterator[str]:
    """What the model could read of the passages: titles and headings, each once, and sentences."""
    for index in dict.fromkeys(unit.passage for unit in packed.units):
        yield from heads(passages[index])
    yield from (unit.text for unit in packed.units)


def heads(passage: Passage) -> tuple[str, ...]:
    """A passage's title and headings, which stand over it in the prompt."""
    return (passage.title, *passage.headings)


def cite(units: Sequence[Unit], chosen: Sequence[int], reading: Reading) -> tuple[Citation, ...]:
    """The exact characters of the chosen units, strongest first."""
    return tuple(quote for index in chosen for quote in _quotes(units[index], reading))


def veiled(passage: Passage, hidden: Sequence[Mask]) -> Passage:
    """The passage with what is hidden in it as dots, one a character, so that offsets stay true."""
    text = passage.text
    for mask in hidden:
        start, end = mask.start - passage.start, mask.end - passage.start
        text = text[:start] + VEIL * (end - start) + text[end:]
    return replace(passage, text=text)


def _quotes(unit: Unit, reading: Reading) -> list[Citation]:
    """Exact document characters of a unit, around anything hidden in it."""
    passage, hidden = reading.passages[unit.passage], reading.masks[unit.passage]
    return [
        Citation(
            passage.document,
            passage.path,
            passage.page,
            start,
            end,
            passage.text[start - passage.start : end - passage.start],
        )
        for start, end in sorted(_spans(unit, passage, hidden))
        if start < end
    ]


def _spans(unit: Unit, passage: Passage, hidden: Sequence[Mask]) -> list[tuple[int, int]]:
    parts = quotable(unit.start, unit.end, hidden)
    spans = [_trimmed(passage, start, end) for start, end in parts]
    spans = sorted(spans, key=lambda span: span[0] - span[1])[:MAX_QUOTES]
    return [span for span in spans if span[1] - span[0] >= LEAST_QUOTE] or spans[:1]


def _trimmed(passage: Passage, start: int, end: int) -> tuple[int, int]:
    """The span without blanks and dangling punctuation at its ends."""
    text = passage.text[start - passage.start : end - passage.start]
    left = len(text) - len(text.lstrip(" \t\n,;:|-–"))
    right = len(text.rstrip(" \t\n,;:|-–"))
    return start + left, start + max(left, right)
