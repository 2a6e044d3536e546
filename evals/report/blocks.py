"""What the details of a case are made of. Plain text throughout: the page escapes all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

LONG, MIDDLE, SHORT = 3000, 1200, 500
_SPANS, _ROWS = 300, 20


@dataclass(frozen=True, slots=True)
class Cut:
    """The beginning of a text, and how many characters more it had."""

    text: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a marked text: `marks` are the spans it lies in, `tags` those that end here."""

    text: str
    marks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start:end` of a text; `mark` is "gold" (marked in the case) or "found"."""

    start: int
    end: int
    mark: str
    tag: str


@dataclass(frozen=True, slots=True)
class Text:
    """A labelled text."""

    kind: ClassVar[str] = "text"
    label: str
    cut: Cut


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with spans marked in it."""

    kind: ClassVar[str] = "marked"
    label: str
    pieces: tuple[Piece, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence shown, its support (None: it claims nothing) and what it rests on."""

    cut: Cut
    support: float | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """An answer, sentence by sentence."""

    kind: ClassVar[str] = "claims"
    label: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of plain texts; `more` rows are left out."""

    kind: ClassVar[str] = "listing"
    label: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a text came from, and the text."""

    title: str
    cut: Cut


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts with their origins, folded away."""

    kind: ClassVar[str] = "sources"
    label: str
    sources: tuple[Source, ...]


Block = Text | Marked | Claims | Listing | Sources


def cut(text: str, limit: int) -> Cut:
    return Cut(text[:limit], max(0, len(text) - limit))


def marked(label: str, text: str, spans: Sequence[Span]) -> Marked:
    """A text cut into pieces at every end of a span. Spans may overlap."""
    shown = cut(text, LONG)
    size = len(shown.text)
    inside = [span for span in spans[:_SPANS] if 0 <= span.start < span.end <= len(text)]
    places = {0, size} | {min(place, size) for s in inside for place in (s.start, s.end)}
    edges = sorted(places)
    pieces = [
        Piece(
            shown.text[start:end],
            tuple(sorted({s.mark for s in inside if s.start <= start and end <= s.end})),
            tuple(dict.fromkeys(s.tag for s in inside if s.tag and min(s.end, size) == end)),
        )
        for start, end in pairwise(edges)
    ]
    return Marked(label, tuple(pieces), shown.more)


def listing(label: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Listing:
    kept = tuple(tuple(_brief(cell) for cell in row) for row in rows[:_ROWS])
    return Listing(label, columns, kept, max(0, len(rows) - _ROWS))


def texts(label: str, items: Sequence[Mapping[str, Any]], title: str, body: str) -> Sources:
    """Mappings as sources; `title` and `body` name the keys."""
    kept = tuple(Source(str(i.get(title, "")), cut(str(i.get(body, "")), MIDDLE)) for i in items)
    return Sources(label, kept[:_ROWS])


def _brief(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[:SHORT]}… {len(text) - SHORT:,} more characters"
