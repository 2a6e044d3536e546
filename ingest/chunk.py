"""Sections and sentences to chunks: token-counted, offsets exact, nothing lost.

A chunk never crosses a page or, small sections under one parent aside, a heading path. Chunks are
ordered, do not overlap, and `chunk.text == document.text[chunk.start:chunk.end]`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from operator import itemgetter

from ingest.sentences import Span, split_sentences
from ingest.types import Chunk, ParsedDocument, Section

TokenCounter = Callable[[Sequence[str]], list[int]]
VERSION = 2
"""Raised when the same document would be cut differently, so that bases know to cut again."""

_WORDS = re.compile(r"\S+")
_LINES = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """Sizes in tokens of the embedder. Characters are capped too, for words no tokenizer knows.

    Raises ValueError for sizes that cannot work.
    """

    max_tokens: int = 200
    small_tokens: int = 48
    characters_per_token: int = 8

    def __post_init__(self) -> None:
        if self.max_tokens < 8 or self.characters_per_token < 1:
            raise ValueError("max_tokens must be at least 8 and characters_per_token at least 1")
        if not 0 <= self.small_tokens <= self.max_tokens:
            raise ValueError("small_tokens must lie between 0 and max_tokens")

    @property
    def max_characters(self) -> int:
        return self.max_tokens * self.characters_per_token


@dataclass(frozen=True, slots=True)
class _Unit:
    """A piece that is not cut: a sentence, a line, or part of one that was too long."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Units under one heading path on one page: what chunks are made from."""

    headings: tuple[str, ...]
    page: int | None
    units: tuple[_Unit, ...]
    has_body: bool

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)


def chunk_document(
    document: ParsedDocument, count: TokenCounter, settings: ChunkSettings | None = None
) -> list[Chunk]:
    """Chunks of a document in reading order, each at most `max_tokens` tokens of `count`."""
    settings = settings or ChunkSettings()
    spans = [
        (span, _key(section))
        for section in document.sections
        for span in _spans(document.text, section)
    ]
    units = _units(document.text, spans, count, settings)
    merged = _merge(_parts(document.text, units), settings)
    packed = [(run, part) for part in merged for run in _pack(part.units, settings)]
    fitted = _fit(document.text, packed, count, settings)
    digest = hashlib.sha256(document.text.encode()).digest()
    return [_chunk(document.text, digest, *piece) for piece in fitted]


_Key = tuple[tuple[str, ...], int | None]


def _key(section: Section) -> _Key:
    return section.headings, section.page


def _spans(text: str, section: Section) -> Iterator[Span]:
    piece = text[section.start : section.end]
    if section.kind in ("table", "code"):
        found = [match.span() for match in _LINES.finditer(piece) if match[0].strip()]
    else:
        found = split_sentences(piece)
    for start, end in found:
        yield section.start + start, section.start + end


def _units(
    text: str, spans: list[tuple[Span, _Key]], count: TokenCounter, settings: ChunkSettings
) -> list[tuple[_Unit, _Key]]:
    counts = count([text[start:end] for (start, end), _ in spans])
    found: list[tuple[_Unit, _Key]] = []
    for ((start, end), key), tokens in zip(spans, counts, strict=True):
        unit = _Unit(start, end, tokens)
        pieces = [unit] if _fits(unit, settings) else _shred(text, unit, count, settings)
        found.extend((piece, key) for piece in pieces)
    return found


def _fits(unit: _Unit, settings: ChunkSettings) -> bool:
    return unit.tokens <= settings.max_tokens and unit.end - unit.start <= settings.max_characters


def _shred(text: str, unit: _Unit, count: TokenCounter, settings: ChunkSettings) -> list[_Unit]:
    """Cut a unit that is too long at white space; a word that is too long, anywhere."""
    words = [
        (unit.start + start, unit.start + end)
        for match in _WORDS.finditer(text[unit.start : unit.end])
        for start, end in _cut_word(match.span(), settings.max_tokens)
    ]
    counts = count([text[start:end] for start, end in words])
    units = [_Unit(*word, tokens) for word, tokens in zip(words, counts, strict=True)]
    return [_joined(run) for run in _pack(tuple(units), settings)]


def _cut_word(span: Span, size: int) -> Iterator[Span]:
    start, end = span
    while end - start > size:
        yield start, start + size
        start += size
    yield start, end


def _joined(run: Sequence[_Unit]) -> _Unit:
    return _Unit(run[0].start, run[-1].end, sum(unit.tokens for unit in run))


def _pack(units: Sequence[_Unit], settings: ChunkSettings) -> list[tuple[_Unit, ...]]:
    """Consecutive units in runs of even size: a long section leaves no crumb at its end."""
    left = sum(unit.tokens for unit in units)
    packed: list[tuple[_Unit, ...]] = []
    run: list[_Unit] = []
    size, target = 0, _even(left, settings)
    for unit in units:
        over = size + unit.tokens > settings.max_tokens
        long = bool(run) and unit.end - run[0].start > settings.max_characters
        # Nearer to the even size without this unit than with it.
        enough = size + unit.tokens / 2 > target and unit.tokens > 0
        if run and (over or long or enough):
            packed.append(tuple(run))
            left -= size
            run, size, target = [], 0, _even(left, settings)
        run.append(unit)
        size += unit.tokens
    if run:
        packed.append(tuple(run))
    return packed


def _even(tokens: int, settings: ChunkSettings) -> float:
    """The size at which so many tokens make the fewest runs, all about as long."""
    return tokens / max(-(-tokens // settings.max_tokens), 1)


def _parts(text: str, units: list[tuple[_Unit, _Key]]) -> list[_Part]:
    parts: list[_Part] = []
    for (headings, page), group in groupby(units, key=itemgetter(1)):
        run = tuple(unit for unit, _ in group)
        parts.append(_Part(headings, page, run, _has_body(text, headings, run)))
    return parts


def _has_body(text: str, headings: tuple[str, ...], run: tuple[_Unit, ...]) -> bool:
    """Whether a part holds more than its heading line."""
    if not headings:
        return True
    body = text[run[0].start : run[-1].end]
    letters = sum(map(str.isalnum, body))
    return letters > sum(map(str.isalnum, headings[-1])) + 2


def _merge(parts: list[_Part], settings: ChunkSettings) -> list[_Part]:
    """A lead-in joins what follows; neighbouring crumbs under one parent join each other."""
    merged: list[_Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if last is not None and _should_join(last, part, settings):
            merged[-1] = _join(last, part, _leads_in(last, part, settings))
        else:
            merged.append(part)
    return merged


def _leads_in(last: _Part, part: _Part, settings: ChunkSettings) -> bool:
    """Whether a part is no more than a heading, a label or a line above what it leads into."""
    above = part.headings[: len(last.headings)] == last.headings
    return above and (not last.has_body or last.tokens <= settings.small_tokens // 3)


def _should_join(last: _Part, part: _Part, settings: ChunkSettings) -> bool:
    if last.page != part.page:
        return False
    if _leads_in(last, part, settings):
        return True
    if last.tokens + part.tokens > settings.max_tokens:
        return False
    small = min(last.tokens, part.tokens) <= settings.small_tokens
    parent = part.headings[:-1]
    return small and bool(parent) and last.headings[: len(parent)] == parent


def _join(last: _Part, part: _Part, leads_in: bool) -> _Part:
    """One part of two, under the path of what it leads into or the path that both share."""
    pairs = zip(last.headings, part.headings, strict=False)
    shared = tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return replace(
        part,
        headings=part.headings if leads_in else shared,
        units=last.units + part.units,
        has_body=last.has_body or part.has_body,
    )


_Piece = tuple[int, int, _Part, int]


def _fit(
    text: str,
    packed: list[tuple[tuple[_Unit, ...], _Part]],
    count: TokenCounter,
    settings: ChunkSettings,
) -> list[_Piece]:
    """Exact counts of the runs; those over the limit are halved.

    The tokens of a run are the sum of its units' only for tokenizers that split at white space.
    """
    counts = count([text[run[0].start : run[-1].end] for run, _ in packed])
    pieces: list[_Piece] = []
    for (run, part), tokens in zip(packed, counts, strict=True):
        if tokens <= settings.max_tokens or len(run) == 1:
            pieces.append((run[0].start, run[-1].end, part, tokens))
            continue
        middle = len(run) // 2
        halves = [(run[:middle], part), (run[middle:], part)]
        pieces.extend(_fit(text, halves, count, settings))
    return pieces


def _chunk(text: str, digest: bytes, start: int, end: int, part: _Part, tokens: int) -> Chunk:
    name = hashlib.sha256(digest + f"{start}:{end}".encode()).hexdigest()[:20]
    return Chunk(name, start, end, text[start:end], part.headings, part.page, tokens)
