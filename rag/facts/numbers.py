"""Numbers in one form, whatever their style: 1,234.5 and 1.234,5, 25 % and twenty-five per cent.

A number with a unit is known where it stands with that unit, or bare; one without a unit wherever
it stands. Nothing is computed: 60 minutes are not an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from rag.facts.mention import Key, Keys, Mention
from rag.facts.number_words import Spelled, spelled
from rag.facts.units import MONEY, PERCENT, SCALES, unit_of, units_after
from rag.types import FlagKind

ANY, BARE, RANK, LABEL = "any", "bare", "rank", "label"
LONGEST = 40

_THIN = "\u00a0\u202f\u2009"
_DIGITS = rf"\d+(?:[.,'’{_THIN}]\d+)*"
_NUMBER = re.compile(
    rf"(?P<money>(?:\b(?:US|us))?[$€£¥₹] ?|\b(?:USD|EUR|GBP|CHF|JPY|INR)\s?)?"
    rf"(?P<minus>(?<![\w)\]|])[-−–](?=\d)|\bminus )?"
    rf"(?<![\w.])(?P<digits>\d{{1,3}}(?: \d{{3}})+(?![\d.,]\d|\d)|{_DIGITS}|\.\d+)"
    rf"(?P<vulgar> ?[¼½¾⅓⅔⅛⅜⅝⅞])?"
    rf"(?:(?P<slash> \d{{1,3}})?[/⁄](?P<under>\d{{1,3}})(?![\d/]))?"
    rf"(?P<rank>(?:st|nd|rd|th)\b)?"
)
_VULGAR = {"¼": (1, 4), "½": (1, 2), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3), "⅛": (1, 8)}
_VULGAR |= {"⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)}
_LONE_VULGAR = re.compile(r"(?<![\d ])[¼½¾⅓⅔⅛⅜⅝⅞]|(?<!\d) [¼½¾⅓⅔⅛⅜⅝⅞]")
_SCALE = re.compile(r"[\s-]?(hundred|thousand|million|mn|mio|billion|bn|trillion|dozen|k|K|M)\b")
# Every repeat is bounded and gives nothing back, so that no text takes long.
_CODE = re.compile(
    r"(?<![\w.])(?!(?:pre|post|mid|early|late|since|non|sub|top|over|under|from|to|in)-)"
    r"(?!(?:USD|EUR|GBP|CHF|JPY|INR)\d)[A-Za-z]++(?:[-_/.][A-Za-z]++){0,8}+"
    r"[-_/.]?\d\w{0,40}+(?:[-_/.]\w{1,40}+){0,8}+"
)
_TAIL = re.compile(r"[A-Za-z]\w{0,40}+(?:-\w{1,40}+){0,8}+")
_LABELS = (
    "chapter|part|section|article|volume|book|act|scene|phase|type|grade|level|appendix|annex|"
    "title|table|figure|class|stage|schedule|page|paragraph|clause|rule|item|step|room|building|"
    "floor|line|version|number|no"
)
_LABELLED = re.compile(rf"\b(?:{_LABELS})s?\.?\s$", re.IGNORECASE)
_ROMAN = re.compile(
    rf"(?:\b(?i:{_LABELS})s?\s|(?P<name>\b[A-Z][a-zà-ÿ]+\s))(?P<roman>[IVXLCDM]{{1,12}})\b(?!['’.]\w)"
)
_VALID_ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_LETTER_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ONE_OF = re.compile(r"\b(?:an?|per|each|every|one) ([A-Za-z]+)", re.IGNORECASE)
_IMPLIED = re.compile(r"\b(one|once|single|both|pair|couple|no|none|nil)\b", re.IGNORECASE)
_IMPLIES = {"one": 1, "once": 1, "single": 1, "both": 2, "pair": 2, "couple": 2}
_WORD_BEFORE = re.compile(r"([A-Za-z]+)[\s-]$")


def find_numbers(text: str) -> Iterator[Mention]:
    """All that a text says in numbers; dates must have been taken out of it."""
    taken: list[tuple[int, int]] = []
    for mention in (*_codes(text), *_romans(text)):
        taken.append((mention.start, mention.end))
        yield mention
    inside = _Covered(taken)
    for match in _NUMBER.finditer(text):
        if not inside.touches(match.start("digits")):
            yield from _numeric(text, match)
    for match in _LONE_VULGAR.finditer(text):
        value = Fraction(*_VULGAR[match.group().strip()])
        yield _counted(text, match.start(), match.end(), {value}, part=True)
    for found in spelled(text):
        if not inside.touches(found.start):
            yield from _in_words(text, found)


def implied_numbers(text: str) -> Iterator[Key]:
    """What a source says without a number: "once", "a day", "none"."""
    for match in _ONE_OF.finditer(text):
        yield from ((Fraction(1), unit) for unit in unit_of(match[1].lower()))
    for match in _IMPLIED.finditer(text):
        value = Fraction(_IMPLIES.get(match[1].lower(), 0))
        yield from ((value, ANY), (value, BARE))


def known_value(value: Fraction) -> Keys:
    """What a bare number makes known."""
    return frozenset({(value, ANY), (value, BARE)})


class _Covered:
    """Spans in order, asked about by position."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._places = {place for start, end in spans for place in range(start, end)}

    def touches(self, place: int) -> bool:
        return place in self._places


def _numeric(text: str, match: re.Match[str]) -> Iterator[Mention]:
    digits, end = match["digits"], match.end()
    values = readings(digits)
    # A letter right behind is a unit, a scale, or makes it a code.
    tail = _TAIL.match(text, end) if not match["rank"] else None
    if tail and not unit_of(tail.group().split("-")[0]) and not _SCALE.match(text, end):
        yield _code(text, match.start("digits"), tail.end())
        return
    if len(digits) > LONGEST or not values:
        yield _code(text, match.start("digits"), end)
        return
    if match["vulgar"]:
        more = Fraction(*_VULGAR[match["vulgar"].strip()])
        values = {value + more for value in values}
    if match["under"] and int(match["under"]):
        under = int(match["under"])
        over = match["slash"]
        values = {value + Fraction(int(over), under) if over else value / under for value in values}
    if match["minus"]:
        values = {-value for value in values}
    part = bool(match["under"]) and not match["slash"]
    money = MONEY.get((match["money"] or "").strip().lower(), "")
    start = match.start()
    start += len(text[start:end]) - len(text[start:end].lstrip())
    yield _counted(text, start, end, values, bool(match["rank"]), part, money)


def _counted(
    text: str,
    start: int,
    end: int,
    values: set[Fraction],
    rank: bool = False,
    part: bool = False,
    money: str = "",
) -> Mention:
    """A number with what follows it: its scale and its units."""
    plain = values
    if scale := _SCALE.match(text, end):
        factor = SCALES[scale[1].lower()]
        values = {value * factor for value in values}
        end = scale.end()
    units, other, end = (frozenset({money}), False, end) if money else units_after(text, end)
    # "5m" may be metres or millions.
    if not scale and text[end - 1 : end] == "m" and re.search(r"\d ?m$", text[start:end]):
        values = values | {value * 10**6 for value in plain}
    if money and (letter := re.match(r" ?[mb]\b", text[end:])):
        values = {value * (10**6 if "m" in letter.group() else 10**9) for value in plain}
        end += letter.end()
    labelled = bool(_LABELLED.search(text, max(0, start - 12), start)) and not units
    keys = _keys(values, units, rank, part, labelled)
    gives = _gives(values, units, rank, part, other or labelled)
    if labelled:
        gives |= {(value, LABEL) for value in values}
    kind: FlagKind = "number"
    if not (units or rank or part) and _is_year(text[start:end]):
        kind, keys = "date", keys | {("d", int(text[start:end]), None, None)}
        gives |= {("d", int(text[start:end]), None, None)}
    return Mention(kind, start, end, frozenset(keys), frozenset(gives | _named(text, start, end)))


def _keys(
    values: set[Fraction], units: frozenset[str], rank: bool, part: bool, labelled: bool
) -> set[Key]:
    if units:
        kinds: set[str] = {*units, BARE}
    elif labelled:
        kinds = {LABEL, BARE, RANK}
    else:
        kinds = {RANK, BARE, LABEL} if rank else {ANY}
    keys: set[Key] = {(value, kind) for value in values for kind in kinds}
    if part:
        keys |= {(value * 100, PERCENT) for value in values}
    return keys


def _gives(
    values: set[Fraction], units: frozenset[str], rank: bool, part: bool, other: bool
) -> set[Key]:
    kinds: set[str] = {ANY, *units}
    if rank:
        kinds |= {RANK}
    elif not units and not other:
        kinds |= {BARE}
    keys: set[Key] = {(value, kind) for value in values for kind in kinds}
    if part:
        keys |= {(value * 100, PERCENT) for value in values}
    return keys


def _in_words(text: str, found: Spelled) -> Iterator[Mention]:
    start, end = found.start, found.end
    if text[start:end].lower() in ("first", "one") and not _counts(text, start, end):
        return
    yield _counted(text, start, end, {found.value}, found.rank, found.part)


def _counts(text: str, start: int, end: int) -> bool:
    """Whether "one" or "first" is meant as a number: "one day", but not "one of them"."""
    units, _, _ = units_after(text, end)
    if text[start:end].lower() == "one":
        return bool(units) or bool(_SCALE.match(text, end))
    before = text[:start].rstrip()
    begins = not before or before[-1] in ".:;!?*-\n"
    return not begins and not text.startswith(",", end) and not before.lower().endswith(" at")


def _codes(text: str) -> Iterator[Mention]:
    for match in _CODE.finditer(text):
        yield _code(text, match.start(), match.end())


def _code(text: str, start: int, end: int) -> Mention:
    """A name with digits in it, such as E-42 or 3D, and the numbers in it."""
    word = text[start:end].rstrip(".-_/")
    known: Keys = frozenset({("code", _plain(word))}) | _named(text, start, end)
    for digits in re.findall(r"\d{1,40}(?:\.\d{1,40})?", word):
        known |= {(Fraction(digits), ANY)}
    return Mention("number", start, start + len(word), frozenset({("code", _plain(word))}), known)


def _named(text: str, start: int, end: int) -> Keys:
    """The code that a number makes with the word before it: "Windows 11", "version 1.2"."""
    before = _WORD_BEFORE.search(text, max(0, start - 40), start)
    if before is None:
        return frozenset()
    number, word = _plain(text[start:end]), before[1].lower()
    short = {("code", f"v{number}")} if word == "version" else set()
    return frozenset({("code", word + number), *short})


def _plain(word: str) -> str:
    return re.sub(r"[-_/\s]", "", word.lower())


def _romans(text: str) -> Iterator[Mention]:
    for match in _ROMAN.finditer(text):
        roman = match["roman"]
        if not _VALID_ROMAN.fullmatch(roman) or (match["name"] and len(roman) < 2):
            continue
        value = Fraction(_roman_value(roman))
        keys = {(value, ANY if match["name"] else LABEL), (value, BARE), (value, RANK)}
        gives = frozenset({*keys, (value, ANY), (value, LABEL)})
        yield Mention("number", match.start("roman"), match.end(), frozenset(keys), gives)


def _roman_value(roman: str) -> int:
    values = [_LETTER_VALUES[letter] for letter in roman]
    return sum(
        -value if any(later > value for later in values[index + 1 : index + 2]) else value
        for index, value in enumerate(values)
    )


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits.isascii() and digits.isdigit() and "1000" <= digits <= "2199"


def readings(digits: str) -> set[Fraction]:
    """The values that digits with separators may have; none for what is no number ("2.3.1")."""
    marks = [mark for mark in digits if not mark.isdigit()]
    if digits.startswith("."):
        return {Fraction(f"0{digits}")}
    groups = re.split(r"\D", digits)
    if not marks:
        return {Fraction(digits)} if len(digits) <= LONGEST else set()
    if len(digits) > LONGEST:
        return set()
    whole = _thousands(groups)
    if len(set(marks)) == 1 and (len(marks) > 1 or marks[0] not in ".,"):
        return {Fraction("".join(groups))} if whole else set()
    if len(marks) == 1:
        decimal = Fraction(".".join(groups))
        if marks[0] == ",":
            return {Fraction("".join(groups))} if whole else {decimal}
        return {decimal, Fraction("".join(groups))} if whole else {decimal}
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1 and _thousands(groups[:-1]):
        return {Fraction(f"{''.join(groups[:-1])}.{groups[-1]}")}
    return set()


def _thousands(groups: list[str]) -> bool:
    """Whether the groups of digits are those of a large number: 1 to 3, then always 3."""
    first, *rest = groups
    return 1 <= len(first) <= 3 and not first.startswith("0") and all(len(g) == 3 for g in rest)
