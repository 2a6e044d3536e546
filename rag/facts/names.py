"""Names: words with capitals, alone or in a row, and what makes one known in another form.

"J. Smith" and "Smith" are known where "John Smith" stands, "WHO" where "World Health Organization"
does; the other way round something is added that no source says. Words in a row must stand in a row
there too: "John Brown" is not made of "John Smith" and "Mary Brown".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rag.facts.common import is_common
from rag.facts.mention import blanked
from rag.facts.words import Word, camel_parts, rows_of, words_of

_TITLES_WORDS = "mr mrs ms miss mx dr prof professor sir dame lord lady rev reverend captain capt"
TITLES = frozenset(_TITLES_WORDS.split())
# Words that stand before a name at a sentence's beginning, with a capital that says nothing.
_OPENERS_WORDS = (
    "also finally please here today yesterday tomorrow currently recently according unlike "
    "contact call ask see visit use tell report submit send speak read apply check meet consult "
    "email inform notify dear hello yes no"
)
_OPENERS = frozenset(_OPENERS_WORDS.split())
# Short words that are names only where all their letters are capitals.
_LOUD_ONLY_WORDS = "it us who or in an is as at be so no do go he me we my am are may"
_LOUD_ONLY = frozenset(_LOUD_ONLY_WORDS.split())
_LINK = re.compile(
    r"https?://[^\s<>\"')\]|]{1,500}|www\.[^\s<>\"')\]|]{1,500}"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}"
)
_BEGINS = re.compile(r"(?:^|[.!?:;•\n*>\"“‘«(|]|^\s*[-–])\s*$")
_BREAK = re.compile(r"[|;!?:]|\n\s*\n")
MOST_IN_A_ROW = 8
Pair = tuple[str, str]


class Names:
    """What sources call things. Linear in their length."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._loud: set[str] = set()
        self._pairs: set[Pair] = set()
        self._initials: set[str] = set()
        self._links: set[str] = set()

    def add(self, text: str) -> None:
        """Make known what a source says."""
        words = words_of(text)
        self._links.update(_link(match.group()) for match in _LINK.finditer(text))
        for word in words:
            self._words.add(word.plain)
            if word.loud:
                self._loud.add(word.plain)
            parts = camel_parts(word.text)
            self._words.update(parts)
            self._pairs.update(pairwise(parts))
        stream = [word for word in words if not word.particle]
        for first, second in pairwise(stream):
            between = text[first.end : second.start]
            if not _BREAK.search(between):
                self._pairs.add((first.plain, second.plain))
                if "," in between and first.capital and second.capital:
                    self._pairs.add((second.plain, first.plain))
        for row in rows_of(text, words):
            self._add_row([word for word in row if not word.particle])
        for row in rows_of(text, words, wide=True):
            self._add_initials(row)

    def _add_row(self, row: Sequence[Word]) -> None:
        for place, first in enumerate(row):
            for second in row[place + 1 : place + MOST_IN_A_ROW]:
                a, b = first.plain, second.plain
                self._pairs |= {(a, b), (a[0], b), (a, b[0]), (a[0], b[0])}

    def _add_initials(self, row: Sequence[Word]) -> None:
        for place, first in enumerate(row):
            if first.particle:
                continue
            whole = short = ""
            for word in row[place : place + MOST_IN_A_ROW]:
                whole += word.plain[0]
                short += "" if word.particle else word.plain[0]
                self._initials |= {whole, short}

    def unknown(self, text: str) -> Iterator[tuple[int, int]]:
        """The places of names and addresses that no source has."""
        links = [match.span() for match in _LINK.finditer(text)]
        for start, end in links:
            if _link(text[start:end]) not in self._links:
                yield start, end
        text = blanked(text, links)
        for row in rows_of(text, words_of(text)):
            name = _trimmed(text, row)
            if name and not self._knows([word for word in name if not word.particle]):
                yield name[0].start, name[-1].end

    def _knows(self, row: Sequence[Word]) -> bool:
        if len(row) == 1:
            return self._knows_word(row[0])
        if "".join(word.plain for word in row) in self._words:
            return True
        if all(self._knows_pair(first.plain, second.plain) for first, second in pairwise(row)):
            return True
        letters = [part for word in row for part in word.initials]
        return len(letters) > len(row) and all(map(self._knows_pair, letters, letters[1:]))

    def _knows_pair(self, first: str, second: str) -> bool:
        return any((first, form) in self._pairs for form in _forms(second))

    def _knows_word(self, word: Word) -> bool:
        if word.loud:
            quiet = frozenset() if word.plain in _LOUD_ONLY else self._words
            return any(
                form in self._loud or form in self._initials or form in quiet
                for form in _forms(word.plain)
            )
        parts = camel_parts(word.text)
        if word.inner and word.plain in self._initials:
            return True
        joined = len(parts) > 1 and all(pair in self._pairs for pair in pairwise(parts))
        return joined or any(form in self._words for form in _forms(word.plain))


def _forms(plain: str) -> tuple[str, ...]:
    """A word, and its singular or plural."""
    return (plain, plain.removesuffix("s") if len(plain) > 3 else plain, f"{plain}s")


def _trimmed(text: str, row: Sequence[Word]) -> Sequence[Word]:
    """The name in a row of capitals; empty for a word that has its capital from its place."""
    begins = bool(_BEGINS.search(text, max(0, row[0].start - 12), row[0].start))
    rest = list(row)
    while rest and _says_nothing(rest[0], begins):
        rest.pop(0)
    while rest and (rest[-1].particle or _says_nothing(rest[-1], begins=False)):
        rest.pop()
    while rest and rest[0].particle:
        rest.pop(0)
    if not rest or (len(rest) == 1 and _plain_alone(rest[0], begins and rest[0] is row[0])):
        return ()
    return rest


def _says_nothing(word: Word, begins: bool) -> bool:
    if word.plain in TITLES or (word.stop and not (word.loud and word.plain in _LOUD_ONLY)):
        return True
    return begins and word.plain in _OPENERS


def _plain_alone(word: Word, begins: bool) -> bool:
    """A single word that is no name: a letter, or a common word at a sentence's beginning."""
    if len(word.plain) < 2 or word.plain == "ok":
        return True
    if word.loud and word.plain not in _LOUD_ONLY:
        return is_common(word.plain) and len(word.plain) > 3
    return begins and not word.inner and is_common(word.plain)


def _link(text: str) -> str:
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", text.casefold())
    return bare.rstrip(".,;:!?/")
