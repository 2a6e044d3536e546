"""The pieces of a text that the heads score: sentences, and windows of several sentences."""

from __future__ import annotations

from dataclasses import dataclass

from rag.safety.segment import Place, advance, next_boundary

WINDOW = 700
_MIN_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters `start:end` of a text."""

    start: int
    end: int
    text: str


def sentences(text: str) -> list[Unit]:
    """The text's sentences without the blanks around them, as the stream would cut them.

    The segmenter of the stream is used, so that a sentence is judged alike in a passage and in an
    answer; it also bounds the length of a unit, so none is longer than the embedder's window.
    """
    units: list[Unit] = []
    place, start = Place(), 0
    while start < len(text):
        length = next_boundary(text[start : start + WINDOW], place, 0, start + WINDOW >= len(text))
        if length is None:
            break
        segment = text[start : start + length]
        body = segment.strip()
        if sum(map(str.isalpha, body)) >= _MIN_LETTERS:
            first = start + segment.index(body)
            units.append(Unit(first, first + len(body), body))
        place, start = advance(place, segment), start + length
    return units


def windows(text: str, units: list[Unit]) -> list[Unit]:
    """The sentences, and runs of neighbours of up to WINDOW characters, half overlapping."""
    runs: list[Unit] = []
    first = 0
    while first < len(units) - 1:
        last = first
        while last + 1 < len(units) and units[last + 1].end - units[first].start <= WINDOW:
            last += 1
        if last > first:
            start, end = units[first].start, units[last].end
            runs.append(Unit(start, end, text[start:end]))
        if last == len(units) - 1:
            break
        first = max(first + 1, (first + last + 1) // 2)
    return units + runs
