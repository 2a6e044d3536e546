"""Numbers in words, as English has them: "twenty-one", "half a dozen", "two thirds". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_ONES_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_ONES = _ONES_WORDS.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS_WORDS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_ORDINALS = _ORDINALS_WORDS.split()
_TENTHS_WORDS = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth"
_TENTHS = _TENTHS_WORDS.split()
_BIG = {"thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}

VALUES = {word: value for value, word in enumerate(_ONES)}
VALUES |= {word: 20 + 10 * index for index, word in enumerate(_TENS)}
_RANKS = {word: value for value, word in enumerate(_ORDINALS)}
_RANKS |= {word: 20 + 10 * index for index, word in enumerate(_TENTHS)}
_RANKS |= {"hundredth": 100, "thousandth": 1000}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4}
_PARTS |= {word: rank for word, rank in _RANKS.items() if rank > 2}
_PARTS |= {f"{word}s": rank for word, rank in _RANKS.items() if rank > 2}

_WORD = re.compile(r"[a-z]+")
_GAP = re.compile(r"[\s-]{1,2}")
_MARKS = {"twice": 2, "thrice": 3}


@dataclass(frozen=True, slots=True)
class Spelled:
    """Characters `start:end` that spell a value; `rank` for an ordinal, `part` for a fraction."""

    start: int
    end: int
    value: Fraction
    rank: bool = False
    part: bool = False


def spelled(text: str) -> Iterator[Spelled]:
    """The numbers in words, in order, the longest at each place."""
    lowered = text.lower()
    runs = _runs(lowered) if len(lowered) == len(text) else iter(())
    for run in runs:
        position = 0
        while position < len(run):
            taken, found = _read([word for _, word in run[position:]])
            if found is not None:
                first, last = run[position], run[position + taken - 1]
                value, rank, part = found
                yield Spelled(first[0], last[0] + len(last[1]), value, rank, part)
            position += max(1, taken)


_SPELLING = {*VALUES, *_RANKS, *_PARTS, *_BIG, *_MARKS, "hundred", "dozen", "and", "a", "an"}
_LONGEST_RUN = 24


def _runs(lowered: str) -> Iterator[list[tuple[int, str]]]:
    """Neighbouring words that numbers are spelled with, at most 24 at once."""
    run: list[tuple[int, str]] = []
    end = 0
    for match in _WORD.finditer(lowered):
        word = match.group()
        if word not in _SPELLING or (end and lowered[match.start() - 1 : match.start()].isdigit()):
            word = ""
        joined = run and _GAP.fullmatch(lowered, end, match.start())
        if run and (not word or not joined or len(run) >= _LONGEST_RUN):
            yield run
            run = []
        if word:
            run.append((match.start(), word))
        end = match.end()
    if run:
        yield run


Found = tuple[Fraction, bool, bool]


def _read(words: list[str]) -> tuple[int, Found | None]:
    """How many of the words the number at their beginning takes, and what it is."""
    if words[0] in _MARKS:
        return 1, (Fraction(_MARKS[words[0]]), False, False)
    taken, value = _cardinal(words)
    if taken:
        return _with_part(words, taken, value)
    if words[0] in {"a", "an", "and"}:
        return _after_article(words)
    if words[0] in _RANKS:
        return 1, (Fraction(_RANKS[words[0]]), True, False)
    if words[0] == "half":
        dozen = words[1:3] == ["a", "dozen"]
        return (3, (Fraction(6), False, False)) if dozen else (1, (Fraction(1, 2), False, True))
    return 1, None


def _after_article(words: list[str]) -> tuple[int, Found | None]:
    """ "a dozen", "a third": what an article counts as one of."""
    following = words[1] if len(words) > 1 and words[0] != "and" else ""
    if following in _PARTS:
        # "a third" may be a part or a place.
        rank = following in _RANKS
        return 2, (Fraction(1, _PARTS[following]), rank, True)
    return 1, None


def _cardinal(words: list[str]) -> tuple[int, Fraction]:
    """A whole number at the beginning, and how many words it takes; 0 for none."""
    total, taken = 0, 0
    while True:
        size, chunk = _chunk(words[taken:], taken > 0)
        if not size:
            break
        taken += size
        scale = _BIG.get(words[taken]) if taken < len(words) else None
        total += chunk * (scale or 1)
        if scale is None:
            break
        taken += 1
    return taken, Fraction(total)


def _chunk(words: list[str], inside: bool) -> tuple[int, int]:
    """Up to 999, or dozens. `inside` a larger number it may begin with "and"."""
    skip = 1 if inside and words[:1] == ["and"] else 0
    size, value = _below_hundred(words[skip:])
    if not size and words[skip : skip + 1] in (["a"], ["an"]) and not inside:
        scaled = words[skip + 1 : skip + 2]
        if scaled and (scaled[0] in _BIG or scaled[0] in ("hundred", "dozen")):
            size, value = 1, 1
    if not size:
        return 0, 0
    position = skip + size
    if words[position : position + 1] == ["dozen"]:
        return position + 1, value * 12
    if words[position : position + 1] != ["hundred"]:
        return position, value
    value, position = value * 100, position + 1
    joint = 1 if words[position : position + 1] == ["and"] else 0
    size, rest = _below_hundred(words[position + joint :])
    return (position + joint + size, value + rest) if size else (position, value)


def _below_hundred(words: list[str]) -> tuple[int, int]:
    value = VALUES.get(words[0], -1) if words else -1
    if value < 0:
        return 0, 0
    unit = VALUES.get(words[1], 0) if len(words) > 1 else 0
    return (2, value + unit) if value >= 20 and 1 <= unit <= 9 else (1, value)


def _with_part(words: list[str], taken: int, value: Fraction) -> tuple[int, Found]:
    """What may follow a whole number: "-first", "thirds", "and a half", "-nine" of a year."""
    rest = words[taken:]
    if rest[:2] == ["and", "a"] and len(rest) > 2 and rest[2] in ("half", "quarter", "third"):
        return taken + 3, (value + Fraction(1, _PARTS[rest[2]]), False, False)
    if rest and value % 10 == 0 and value % 100 >= 20 and 1 <= _RANKS.get(rest[0], 0) <= 9:
        return taken + 1, (value + _RANKS[rest[0]], True, False)
    if rest and rest[0] in _PARTS and rest[0] != "second" and value < 100:
        return taken + 1, (value / _PARTS[rest[0]], False, True)
    size, more = _below_hundred(rest)
    if taken == 1 and size and 10 <= value <= 20 and more >= 10:
        return taken + size, (value * 100 + more, False, False)
    return taken, (value, False, False)
