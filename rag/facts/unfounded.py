"""What a sentence says that stands in no source: its numbers, dates, names and quotations.

Deterministic and linear in the length of sentence and sources. Nothing is computed and nothing is
guessed: a sum of two numbers, the year of an age or an acronym spelled out is flagged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rag.facts.dates import find_dates
from rag.facts.mention import Key, Mention, blanked
from rag.facts.names import Names
from rag.facts.numbers import find_numbers, implied_numbers
from rag.facts.quotations import find_quotations, plain
from rag.safety.pseudonyms import PSEUDONYM
from rag.safety.redact import MARK
from rag.types import Flag, FlagKind

# A quotation is searched for in all sources, so there is an end to it; what is over is flagged.
MOST_QUOTATIONS = 64


class Known:
    """The facts of sources, collected once for all sentences that are held against them."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._keys: set[Key] = set()
        self._names = Names()
        self._pseudonyms: set[str] = set()
        words = [self._add(source) for source in sources]
        self._words = f" {' '.join(words)} "

    def _add(self, text: str) -> str:
        """Make known what a source says; its words in one form."""
        self._pseudonyms.update(match[0] for match in PSEUDONYM.finditer(text))
        text = _masked(text)
        dates = find_dates(text)
        rest = blanked(text, ((date.start, date.end) for date in dates))
        for mention in (*dates, *find_numbers(rest)):
            self._keys |= mention.gives
        self._keys.update(implied_numbers(rest))
        self._names.add(text)
        return plain(text)

    def unfounded(self, segment: str) -> tuple[Flag, ...]:
        """The facts of a segment that are not among these, in their order."""
        text = _masked(segment)
        dates = find_dates(text)
        without_dates = blanked(text, ((date.start, date.end) for date in dates))
        numbers = list(find_numbers(without_dates))
        found = [*self._unknown((*dates, *numbers)), *self._quotations(text)]
        spans = ((number.start, number.end) for number in numbers)
        names = blanked(without_dates, spans)
        found += [("name", start, end) for start, end in self._names.unknown(names)]
        found += self._strangers(segment)
        ordered = sorted(set(found), key=lambda flag: (flag[1], flag[2], flag[0]))
        return tuple(Flag(kind, segment[start:end], start, end) for kind, start, end in ordered)

    def _unknown(self, mentions: Sequence[Mention]) -> Iterator[tuple[FlagKind, int, int]]:
        for mention in mentions:
            if not mention.keys & self._keys:
                yield mention.kind, mention.start, mention.end

    def _strangers(self, segment: str) -> Iterator[tuple[FlagKind, int, int]]:
        """Other people than those whose pseudonyms the sources have, if they have any."""
        for match in PSEUDONYM.finditer(segment) if self._pseudonyms else ():
            if match[0] not in self._pseudonyms:
                yield "name", match.start(), match.end()

    def _quotations(self, text: str) -> Iterator[tuple[FlagKind, int, int]]:
        for number, (start, end, pieces) in enumerate(find_quotations(text)):
            if number >= MOST_QUOTATIONS or any(f" {p} " not in self._words for p in pieces):
                yield "quotation", start, end


def unfounded(segment: str, sources: Sequence[str], question: str = "") -> tuple[Flag, ...]:
    """The facts of a segment that stand in none of the sources, nor in the question."""
    return Known((*sources, question)).unfounded(segment)


def _masked(text: str) -> str:
    """Without the marks of hidden details, which say nothing."""
    return MARK.sub(lambda match: "|" * len(match.group()), text)
