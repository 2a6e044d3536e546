"""Pseudonyms back to what they stand for, in a text that comes in pieces.

Only what is whole is replaced: the beginning of a pseudonym waits for its end, wherever the stream
was cut. One that the session did not give stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rag.safety.pseudonyms import LONGEST, PSEUDONYM, restorable

Value = Callable[[str], str | None]
"""What a pseudonym stands for; None where that is not known."""

_BEGUN = re.compile(r"<(?:[A-Z][A-Z_0-9]{0,58})?\Z")


def veiled(mark: str) -> None:
    """What a pseudonym stands for, to a reader who may not know."""
    del mark


@dataclass(frozen=True, slots=True)
class Restored:
    """A text with values in it. `moves` are (start, end, by): what stood from `end` on moved."""

    text: str
    moves: tuple[tuple[int, int, int], ...]

    def place(self, offset: int) -> int:
        """Where an offset into the text before is now; one inside a pseudonym is at its end."""
        moved = 0
        for start, end, by in self.moves:
            if offset > start:
                moved = by + max(0, end - offset)
        return offset + moved


class Restorer:
    """Replaces pseudonyms in a text that comes piece by piece."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._held = ""

    @property
    def held(self) -> int:
        """How many characters wait for what comes next."""
        return len(self._held)

    def feed(self, piece: str) -> Restored:
        """What may go on of the text so far; offsets are those of what was held, then `piece`."""
        text = self._held + piece
        begun = _BEGUN.search(text, max(0, len(text) - LONGEST))
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return restore(text[:cut], self._value)

    def finish(self) -> str:
        """What is held, when there is no more: it never was a pseudonym."""
        held, self._held = self._held, ""
        return held


def restore(text: str, value: Value) -> Restored:
    """A whole text, with a value for every pseudonym that `value` knows and that may be shown."""
    parts: list[str] = []
    moves: list[tuple[int, int, int]] = []
    position = by = 0
    for mark in PSEUDONYM.finditer(text):
        found = value(mark[0])
        said = None if found is None else restorable(found)
        if said is None:
            continue
        parts += [text[position : mark.start()], said]
        position = mark.end()
        by += len(said) - len(mark[0])
        moves.append((mark.start(), mark.end(), by))
    return Restored("".join((*parts, text[position:])), tuple(moves))
