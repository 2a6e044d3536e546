"""For every number, date and name: one style of writing it is known by any other, and no other."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.facts.numbers import readings
from rag.facts.unfounded import unfounded

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
        "nineteen"]  # fmt: skip
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NOUNS = ("days", "percent", "km", "euros", "people", "points")
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December"]  # fmt: skip
SYLLABLES = st.lists(
    st.sampled_from(["ka", "ro", "vel", "tim", "zan", "mur", "esk", "dov", "lin", "qua"]),
    min_size=2,
    max_size=4,
)
NAME = SYLLABLES.map(lambda parts: "".join(parts).capitalize())


def words(value: int) -> str:
    """A number below a million in words."""
    if value >= 1000:
        rest = f" {words(value % 1000)}" if value % 1000 else ""
        return f"{words(value // 1000)} thousand{rest}"
    if value >= 100:
        rest = f" and {words(value % 100)}" if value % 100 else ""
        return f"{ONES[value // 100]} hundred{rest}"
    if value >= 20:
        return TENS[value // 10] + (f"-{ONES[value % 10]}" if value % 10 else "")
    return ONES[value]


NUMBER_STYLES = (
    str,
    "{:,}".format,
    words,
    "{}.0".format,
    lambda n: f"{n:,}".replace(",", "\u00a0"),
)
DATE_STYLES = (
    lambda d: d.isoformat(),
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"the {d.day}th of {MONTHS[d.month - 1]} {d.year}",
)
NAME_STYLES = (
    lambda a, b: f"{a} {b}",
    lambda _, b: b,
    lambda a, b: f"{a[0]}. {b}",
    lambda a, b: f"Dr {a} {b}",
    lambda a, b: f"{a} {b}'s",
    lambda a, b: f"{a} {b}".upper(),
)


@given(
    st.integers(2, 999_999), st.integers(2, 999_999), st.sampled_from(NOUNS),
    st.sampled_from(NUMBER_STYLES), st.sampled_from(NUMBER_STYLES),
)  # fmt: skip
def test_numbers(value: int, other: int, noun: str, told: object, said: object) -> None:
    source = f"There were {told(value)} {noun} in all."  # type: ignore[operator]
    same, else_ = (f"It was {said(n)} {noun}." for n in (value, other))  # type: ignore[operator]
    assert unfounded(same, [source]) == ()
    assume(value != other)
    assert {flag.kind for flag in unfounded(else_, [source])} & {"number", "date"}


@given(
    st.dates(date(1000, 1, 1), date(2199, 12, 31)), st.dates(date(1000, 1, 1), date(2199, 12, 31)),
    st.sampled_from(DATE_STYLES), st.sampled_from(DATE_STYLES),
)  # fmt: skip
def test_dates(day: date, other: date, told: object, said: object) -> None:
    source = f"It began on {told(day)}, they say."  # type: ignore[operator]
    same, else_ = (f"It was on {said(d)}." for d in (day, other))  # type: ignore[operator]
    assert unfounded(same, [source]) == ()
    assume(day != other)
    assert [flag.kind for flag in unfounded(else_, [source])] == ["date"]


@given(NAME, NAME, NAME, NAME, st.sampled_from(NAME_STYLES))
def test_names(first: str, last: str, other: str, third: str, said: object) -> None:
    assume(len({first, last, other, third}) == 4 and first[0] != other[0])
    assume(not any(f"{a}s" == b for a in (first, last) for b in (other, third)))
    source = f"Yesterday {first} {last} met {third} at the harbour."
    assert unfounded(f"He saw {said(first, last)} there.", [source]) == ()  # type: ignore[operator]
    found = unfounded(f"He saw {said(other, last)} there.", [source])  # type: ignore[operator]
    if said is not NAME_STYLES[1]:
        assert [flag.kind for flag in found] == ["name"]
    assert unfounded(f"{other} was there.", [source])[0].text == other
    assert unfounded(f"He saw {third} {last}.", [source])[0].text == f"{third} {last}"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_known_to_itself_and_its_flags_lie_in_it(text: str, source: str) -> None:
    flags = unfounded(text, [source])
    assert all(flag.text == text[flag.start : flag.end] != "" for flag in flags)
    assert list(flags) == sorted(flags, key=lambda flag: (flag.start, flag.end, flag.kind))
    assert unfounded(text, [source]) == flags


@pytest.mark.parametrize(
    ("digits", "values"),
    [("1,234", [1234]), ("1.234", [1.234, 1234]), ("1,5", [1.5]), ("1.5", [1.5]),
     ("12,34", [12.34]), ("1.234,5", [1234.5]), ("1,234.5", [1234.5]), ("2.3.1", []),
     ("1.234.567", [1234567]),
     ("0,123", [0.123]), ("007", [7]), ("1,23,456", []), (".5", [0.5]), ("9" * 99, [])],
)  # fmt: skip
def test_what_digits_may_mean(digits: str, values: list[float]) -> None:
    assert sorted(map(float, readings(digits))) == values
