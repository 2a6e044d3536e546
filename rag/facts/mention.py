"""A fact where it is mentioned, in all the ways in which it may be read. A leaf."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from rag.types import FlagKind

Key = tuple[Hashable, ...]
Keys = frozenset[Key]


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters `start:end` of a text that state a fact; it is known if one of `keys` is.

    `gives` is what the same words make known where they stand in a source.
    """

    kind: FlagKind
    start: int
    end: int
    keys: Keys
    gives: Keys = frozenset()


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with the spans as full stops, so that nothing is read across them."""
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start >= position:
            parts += [text[position:start], "|" * (end - start)]
            position = end
    return "".join([*parts, text[position:]])
