"""The words of a text in one form, and the rows of capitals among them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.words import STOP_WORDS

_PARTICLES_WORDS = (
    "van der den de von zu la le di da del della dos das do du des bin ibn al el ten ter af av of "
    "the d l"
)
PARTICLES = frozenset(_PARTICLES_WORDS.split())
# They join the words that an acronym is made of, but not those of one name.
_WIDE = PARTICLES | {"and", "for", "in", "on", "to"}
_WORD = re.compile(
    r"[^\W\d_](?:\.[^\W\d_])+\.?(?!\w)|[^\W\d_][^\W_]*(?:['’](?!s\b)[^\W\d_]+)*|\d[^\W_]*"
)
_CAMEL = re.compile(r"[A-Z]?[a-zà-öø-ÿ]+|[A-Z]+(?![a-zà-öø-ÿ])")
_JOINTS = frozenset({" ", "-", "\n", " & ", "/", "  ", "–", "\u00a0"})
_ROMAN = re.compile(r"[IVX]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word where it stands, and in one form: lower case, without accents and dots."""

    start: int
    end: int
    text: str
    plain: str

    @property
    def capital(self) -> bool:
        """Whether it has a capital, at its beginning or inside as in iPhone."""
        return any(map(str.isupper, self.text)) and not self.text[0].isdigit()

    @property
    def inner(self) -> bool:
        """Whether it has a capital inside."""
        return any(map(str.isupper, self.text[1:]))

    @property
    def loud(self) -> bool:
        """All capitals but for a plural's s: an acronym, or shouted."""
        letters = self.text.replace(".", "")
        return len(letters) > 1 and (letters.isupper() or letters.removesuffix("s").isupper())

    @property
    def particle(self) -> bool:
        return self.plain in PARTICLES and not self.text.isupper()

    @property
    def stop(self) -> bool:
        return self.plain in STOP_WORDS

    @property
    def initials(self) -> tuple[str, ...]:
        """Its letters where dots make them initials ("J.R.R."), else the word."""
        return tuple(self.plain) if "." in self.text else (self.plain,)


def words_of(text: str) -> list[Word]:
    """All words of a text, in order; a possessive's ending is none."""
    return [
        Word(*match.span(), match.group(), plain(match.group())) for match in _WORD.finditer(text)
    ]


def plain(word: str) -> str:
    """Lower case, without dots, accents and apostrophes."""
    if not word.isascii():
        letters = unicodedata.normalize("NFKD", word)
        word = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[.'’]", "", word).casefold() or word


def camel_parts(word: str) -> list[str]:
    """The words in a word that has capitals inside: LangChain is lang and chain."""
    if not any(map(str.isupper, word[1:])) or word.isupper():
        return []
    return [part.lower() for part in _CAMEL.findall(word)]


def rows_of(text: str, words: Sequence[Word], wide: bool = False) -> Iterator[list[Word]]:
    """Words with capitals that belong together, with the particles between them.

    `wide` rows go on over the words that acronyms leave out, such as "and".
    """
    links = _WIDE if wide else PARTICLES
    row: list[Word] = []
    between: list[Word] = []
    for word in words:
        follows = bool(row) and _joins(text, (between or row)[-1], word)
        if word.capital and not (follows and _ROMAN.fullmatch(word.text)):
            if row and not follows:
                yield row
                row, between = [], []
            row += [*between, word]
            between = []
        elif follows and word.plain in links and len(between) < 3:
            between.append(word)
        else:
            if row:
                yield row
            row, between = [], []
    if row:
        yield row


def _joins(text: str, before: Word, word: Word) -> bool:
    """Whether two words stand so that they may be parts of one name."""
    gap = text[before.end : word.start]
    if gap in _JOINTS:
        return True
    # A full stop after an initial or a title ends no sentence.
    return gap == ". " and (len(before.plain) == 1 or before.plain in ABBREVIATED)


_ABBREVIATED_WORDS = "mr mrs ms dr prof st rev capt jr sr mt ft gen col lt sgt"
ABBREVIATED = frozenset(_ABBREVIATED_WORDS.split())
