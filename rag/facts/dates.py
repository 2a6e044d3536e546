"""Dates and times in one form: 2021-05-03 is 3 May 2021 and one reading of 5/3/2021.

A source that gives a whole date gives its month and its year; one that gives only these does not
give the day. What may be read in two ways may be either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from rag.facts.mention import Key, Keys, Mention
from rag.facts.number_words import VALUES
from rag.facts.numbers import known_value

Date = tuple[int | None, int | None, int | None]
"""Year, month, day."""

_MONTHS = "january february march april may june july august september october november december"
_MONTH_OF = {name[:3]: number for number, name in enumerate(_MONTHS.split(), start=1)}
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?P<year>[12]\d{3}|['’]\d{2})(?!\d|s\b)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MORE = r"\s?(?:-|–|—|/|,|to|and|until|or|&|through)\s?(?:the )?"
_OTHER = r"(?P<other>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = (
    re.compile(r"(?<!\d)(?P<year>[12]\d{3})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d)"),
    re.compile(
        rf"(?<![\d.,/:])(?:{_OTHER}{_MORE})?(?<!\d){_DAY}(?:\s| of |-){{1,2}}{_MONTH}"
        rf"(?:,?[\s-]{_YEAR})?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b{_MONTH}\s(?:the )?{_DAY}(?![\d:%]|[.,]\d)(?:{_MORE}{_OTHER}(?![\d:%]|[.,]\d))?"
        rf"(?:,?\s{_YEAR})?",
        re.IGNORECASE,
    ),
    re.compile(rf"\b{_MONTH},?(?:\s| of |-){{1,2}}{_YEAR}", re.IGNORECASE),
)
_NUMERIC = re.compile(r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d]|[/-]\d)")
_SHORT = re.compile(r"(?<![\d/.,])(\d{1,2})/(\d{1,2})(?![\d/]|[.,]\d)")
_YEARS = re.compile(r"(?<![\d.,])([12]\d{3})\s?[-–—/]\s?(\d{2})(?![\d.,:]\d|\d|s\b)")
_LONE_MONTH = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_AMBIGUOUS = re.compile(
    r"\b(?:in|of|by|until|till|since|from|to|through|before|after|during|last|next|early|mid|late|"
    r"this|every|each|and|or|between|end)[\s-]$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s?(?:-|–|—|to|and|until|till|through)\s?(?:the )?", re.IGNORECASE)
_DECADE = re.compile(r"(?<![\d.])(?:([12]\d{2}0)|['’]?([2-9]0))['’]?s\b")
_DECADES_WORDS = "twenties thirties forties fifties sixties seventies eighties nineties"
_DECADES = _DECADES_WORDS.split()
_DECADE_WORD = re.compile(rf"\b(?:(nineteen|eighteen)[ -])?({'|'.join(_DECADES)})\b", re.IGNORECASE)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile(r"\b(mon|tues|wednes|thurs|fri|satur|sun)days?\b", re.IGNORECASE)
_SHORT_DAY = re.compile(r"\b(Mon|Tues?|Wed|Thu|Thurs?|Fri|Sat|Sun)\b\.?")
_HOURS = "one two three four five six seven eight nine ten eleven twelve"
_CLOCK = re.compile(
    rf"(?<![\d.:,])(?P<hour>\d{{1,2}}|\b(?:{_HOURS.replace(' ', '|')}))(?:[:.](?P<minute>[0-5]\d))?"
    r"(?::[0-5]\d)?\s?(?P<half>[ap]\.?\s?m\b\.?|o['’]clock|h(?:rs|ours)?\b(?=[^a-z]|$))",
    re.IGNORECASE,
)
_COLON = re.compile(r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::[0-5]\d)?(?!\d)")
_NAMED = {"noon": 720, "midday": 720, "midnight": 0}
_NAMED_TIME = re.compile(r"\b(noon|midday|midnight)\b", re.IGNORECASE)


def find_dates(text: str) -> list[Mention]:
    """The dates, weekdays, decades and times of a text, none inside another."""
    found: list[Mention] = []
    taken = bytearray(len(text) + 1)
    for mention in _candidates(text):
        if not any(taken[mention.start : mention.end]):
            taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
            found.append(mention)
    return _joined(text, found)


def _candidates(text: str) -> Iterator[Mention]:
    """What stands first takes the place of what it holds."""
    for form in _FORMS:
        for match in form.finditer(text):
            yield from _written(match)
    yield from _numeric(text)
    yield from _times(text)
    for match in _YEARS.finditer(text):
        yield from _year_range(match)
    for match in _DECADE.finditer(text):
        yield _decade(match, int(match[1] or match[2]))
    for match in _DECADE_WORD.finditer(text):
        tens = 20 + 10 * _DECADES.index(match[2].lower())
        century = {"nineteen": 1900, "eighteen": 1800}.get((match[1] or "").lower(), 0)
        yield _decade(match, century + tens)
    for match in _LONE_MONTH.finditer(text):
        doubtful = match[1] in ("May", "March", "August") and _begins(text, match.start())
        if not doubtful or _AMBIGUOUS.search(text, max(0, match.start() - 12), match.start()):
            yield _dated(match.start(), match.end(), [(None, _month(match[1]), None)])
    yield from _weekdays(text)


def _written(match: re.Match[str]) -> Iterator[Mention]:
    groups = match.groupdict()
    month = groups["month"]
    number = int(month) if month.isdigit() else _month(month)
    day, other = (int(groups[name]) if groups.get(name) else None for name in ("day", "other"))
    years = _years(groups.get("year"))
    # A month's name is not always one: "may 5 people" and "they march 3 miles".
    doubtful = month in ("may", "march", "mar") and not groups.get("year")
    if doubtful or not 1 <= number <= 12 or not all(1 <= d <= 31 for d in (day or 1, other or 1)):
        return
    start, end = match.span()
    if other is not None:
        at = match.span("other")
        yield _dated(*at, [(year, number, other) for year in years])
        start, end = (match.start("day"), end) if at[0] == start else (start, match.end("day"))
    yield _dated(start, end, [(year, number, day) for year in years])


def _numeric(text: str) -> Iterator[Mention]:
    for match in _NUMERIC.finditer(text):
        first, mark, second = int(match[1]), match[2], int(match[3])
        orders = [(second, first)] if mark == "." else [(second, first), (first, second)]
        dates = _real((year, *order) for year in _years(match[4]) for order in orders)
        if dates:
            yield _dated(match.start(), match.end(), dates)
    for match in _SHORT.finditer(text):
        first, second = int(match[1]), int(match[2])
        if dates := _real([(None, second, first), (None, first, second)]):
            share = frozenset({(Fraction(first, second), "any")})
            mention = _dated(match.start(), match.end(), dates, share)
            yield Mention("date", *match.span(), mention.keys | share, mention.gives)


def _real(dates: Iterable[tuple[int | None, int, int]]) -> list[Date]:
    return [date for date in dates if 1 <= date[1] <= 12 and 1 <= date[2] <= 31]


def _year_range(match: re.Match[str]) -> Iterator[Mention]:
    """ "1990-95" is two years; "2021-05" may be a month."""
    first, last = int(match[1]), int(match[1][:2] + match[2])
    if last > first:
        yield _dated(*match.span(1), [(first, None, None)])
        yield _dated(*match.span(2), [(last, None, None)])
    elif 1 <= int(match[2]) <= 12:
        yield _dated(*match.span(), [(first, int(match[2]), None)])


def _decade(match: re.Match[str], year: int) -> Mention:
    known = {("decade", year), ("decade", year % 100)}
    if year < 100:
        known |= {("decade", 1900 + year), ("decade", 2000 + year)}
    return Mention("date", *match.span(), frozenset({("decade", year)}), frozenset(known))


def _weekdays(text: str) -> Iterator[Mention]:
    for match in _WEEKDAY.finditer(text):
        yield _weekday(match)
    for match in _SHORT_DAY.finditer(text):
        if not _begins(text, match.start()):
            yield _weekday(match)


def _weekday(match: re.Match[str]) -> Mention:
    keys = frozenset({("weekday", _DAYS.index(match[1][:3].lower()))})
    return Mention("date", *match.span(), keys, keys)


def _times(text: str) -> Iterator[Mention]:
    for match in _CLOCK.finditer(text):
        word = match["hour"].lower()
        hour = int(word) if word.isdigit() else VALUES[word]
        half = match["half"].lower().replace(".", "").replace(" ", "")
        if half.startswith("h") and not (match["minute"] or half == "h"):
            continue
        if hour <= 24:
            yield _timed(match, hour, int(match["minute"] or 0), half)
    for match in _COLON.finditer(text):
        half = "h" if match[1].startswith("0") else ""
        yield _timed(match, int(match[1]), int(match[2]), half)
    for match in _NAMED_TIME.finditer(text):
        keys = frozenset({("time", _NAMED[match[1].lower()])})
        yield Mention("date", *match.span(), keys, keys)


def _timed(match: re.Match[str], hour: int, minute: int, half: str) -> Mention:
    """A time of day in minutes; without a half of the day it may be either."""
    if half in ("am", "pm"):
        hours = {hour % 12 + (12 if half == "pm" else 0)}
    else:
        hours = {hour % 24} if half == "h" or not 1 <= hour <= 12 else {hour, (hour + 12) % 24}
    keys: Keys = frozenset({("time", 60 * each + minute) for each in hours})
    numbers = {hour, minute, *hours}
    gives = keys.union(*(known_value(Fraction(number)) for number in numbers))
    return Mention("date", *match.span(), keys, gives)


def _dated(start: int, end: int, dates: list[Date], more: Keys = frozenset()) -> Mention:
    keys: Keys = frozenset(("d", *date) for date in dates)
    return Mention("date", start, end, keys, more.union(*map(_covers, dates)))


def _covers(date: Date) -> Keys:
    """What a date makes known: its parts, and their numbers."""
    year, month, day = date
    found: set[Key] = {("d", year, month, day), ("d", None, month, day), ("d", year, month, None)}
    found |= {("d", None, month, None), ("d", year, None, None)}
    keys = frozenset(key for key in found if key[1:] != (None, None, None))
    if year is not None:
        keys |= known_value(Fraction(year))
    if day is not None:
        keys |= {(Fraction(day), "any"), (Fraction(day), "rank")}
    return keys


def _joined(text: str, found: list[Mention]) -> list[Mention]:
    """In "30 April to 2 May 2021" both days are of that year."""
    found = sorted(found, key=lambda mention: mention.start)
    for index, (first, second) in enumerate(pairwise(found)):
        if _BETWEEN.fullmatch(text, first.end, second.start):
            years = {key[1] for key in second.keys if key[0] == "d" and key[1] is not None}
            days = [key[2:] for key in first.keys if key[0] == "d" and key[1] is None]
            more = [_covers((year, *day)) for year in years for day in days]  # type: ignore[arg-type]
            found[index] = replace(first, gives=first.gives.union(*more))
    return found


def _years(digits: str | None) -> list[int | None]:
    """The years that a year's digits may mean."""
    if not digits:
        return [None]
    digits = digits.lstrip("'’")
    return [int(digits)] if len(digits) == 4 else [2000 + int(digits), 1900 + int(digits)]


def _month(name: str) -> int:
    return _MONTH_OF[name[:3].lower()]


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins there, where any word has a capital."""
    before = text[max(0, start - 8) : start].rstrip(" \"'“‘(*_")
    return not before or before[-1] in ".!?:;\n-•"
