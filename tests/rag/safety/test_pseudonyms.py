"""One value, one number, all through a session; in two sessions nothing is shared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety.pseudonyms import (
    PSEUDONYM,
    Hasher,
    MemorySessions,
    Played,
    Recorded,
    Session,
    marking,
    normal,
    restorable,
    unforged,
)
from rag.safety.redact import MARK, Mask, masks, redact
from rag.types import Action, Finding

SAME = [
    ("PERSON", "Anna Berg", "anna berg"),
    ("PERSON", "Anna Berg", "Berg, Anna"),
    ("PERSON", "Anna Berg", "ANNA\n BERG"),
    ("PERSON", "Anna Berg", "Anna Berg's"),
    ("PERSON", "Anna Berg", "Anna Berg’s"),
    ("PERSON", "Anna-Lena Berg", "anna lena berg"),
    ("PHONE_NUMBER", "+44 131 496 0131", "0044-131-4960131"),
    ("PHONE_NUMBER", "+44 (0)131 496 0131", "+44 131 496 0131"),
    ("IBAN_CODE", "GB82 WEST 1234 5698 7654 32", "gb82west12345698765432"),
    ("CREDIT_CARD", "4111 1111 1111 1111", "4111-1111-1111-1111"),
    ("EMAIL_ADDRESS", "Anna.Berg@Example.org", " anna.berg@example.ORG"),
    ("STREET_ADDRESS", "12 High St., Leith", "12 high st leith"),
]
OTHER = [
    ("PERSON", "Anna Berg", "Berg"),
    ("PERSON", "James Thomas", "Thomas James"),
    ("PERSON", "Anna Berg, Karl Maier, Jo Day", "Karl Maier, Jo Day Anna Berg"),
    ("PERSON", "Berg, Jr", "Jr Berg"),
    ("EMAIL_ADDRESS", "annab@example.org", "anna.b@example.org"),
    ("IP_ADDRESS", "10.1.12.3", "10.11.2.3"),
    ("DATE_OF_BIRTH", "1.12.1990", "11.2.1990"),
    ("PASSWORD", "hunter2X", "hunter2x"),
    ("PHONE_NUMBER", "+44 131 496 0131", "+44 131 496 0132"),
]


@pytest.mark.parametrize(("label", "one", "other"), SAME)
def test_two_ways_to_write_a_value(label: str, one: str, other: str) -> None:
    session = Session()
    assert session.name(label, one) == session.name(label, other) == f"<{label}_1>"


@pytest.mark.parametrize(("label", "one", "other"), OTHER)
def test_two_values(label: str, one: str, other: str) -> None:
    session = Session()
    assert session.name(label, one) != session.name(label, other)


def test_numbers_follow_appearance_for_each_label() -> None:
    session = Session()
    said = [("PERSON", "Bo"), ("PERSON", "Al"), ("LOCATION", "Bo"), ("PERSON", "bo")]
    assert [session.name(*pair) for pair in said] == [
        "<PERSON_1>",
        "<PERSON_2>",
        "<LOCATION_1>",
        "<PERSON_1>",
    ]
    assert session.value("<PERSON_1>") == "Bo"
    assert [session.value(mark) for mark in ("<PERSON_3>", "PERSON_1", "<PERSON>", "")] == [
        None
    ] * 4


VALUES = st.text(min_size=1, max_size=20).filter(str.strip)


@given(st.lists(st.tuples(st.sampled_from(("PERSON", "PHONE_NUMBER", "SECRET")), VALUES)))
def test_names_are_stable_and_tell_values_apart(said: Sequence[tuple[str, str]]) -> None:
    session = Session()
    first = [session.name(*pair) for pair in said]
    assert [session.name(*pair) for pair in reversed(said)] == first[::-1]
    alike = {(label, normal(label, raw)) for label, raw in said}
    assert len(set(first)) == len(alike)
    assert all(PSEUDONYM.fullmatch(mark) and MARK.fullmatch(mark) for mark in first)


@given(st.sampled_from(("PERSON", "PHONE_NUMBER", "IBAN_CODE", "EMAIL_ADDRESS", "TITLE")), VALUES)
def test_a_value_has_a_form_and_case_and_blanks_do_not_matter(label: str, raw: str) -> None:
    assert normal(label, raw)
    assert normal(label, f"  {raw}\n") == normal(label, raw)


def test_many_threads_get_one_number() -> None:
    session = Session()
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda i: session.name("PERSON", f"Number {i % 20}"), range(2000)))
    assert names == [names[i % 20] for i in range(2000)]
    assert set(names) == {f"<PERSON_{i}>" for i in range(1, 21)}


def test_two_sessions_share_nothing() -> None:
    one, two = Session(), Session()
    one.name("PERSON", "Anna Berg")
    assert two.value("<PERSON_1>") is None
    assert two.name("PERSON", "Karl Maier") == "<PERSON_1>"
    assert one.value("<PERSON_1>") == "Anna Berg"
    assert one.id != two.id


def test_what_stands_in_the_history_is_given_to_nobody_else() -> None:
    session = Session()
    session.hold(["Who is <PERSON_3>?", "<PERSON_1> asked <PERSON_999999999> at <LOCATION_1>."])
    assert session.name("PERSON", "Anna Berg") == "<PERSON_4>"
    session.hold(["<PERSON_4> again, and <PERSON_2>"])
    assert session.name("PERSON", "Karl Maier") == "<PERSON_5>"
    assert session.value("<PERSON_3>") is None


def test_sessions_by_conversation_and_the_oldest_is_let_go() -> None:
    sessions = MemorySessions(kept=2)
    one = sessions.of("one")
    sessions.of("two")
    assert sessions.of("one") is one
    sessions.of("three")
    assert sessions.of("one") is one
    assert sessions.of("two").id == "two"


def test_what_was_recorded_is_played_again() -> None:
    recorded = Recorded(Session())
    said = [("PERSON", "Bo"), ("PERSON", "Al"), ("PERSON", "Bo")]
    given_ = [recorded.name(*pair) for pair in said]
    played = Played(recorded.given)
    assert [played.name(label, "?") for label, _ in said] == given_
    assert played.name("PERSON", "Cy") == "<PERSON>"


def test_hashes_are_of_a_key() -> None:
    one, two = Hasher(b"k" * 32), Hasher()
    mark = one("PHONE_NUMBER", "+44 131 496 0131")
    assert re.fullmatch(r"[0-9a-f]{8}", mark)
    assert mark == Hasher(b"k" * 32)("PHONE_NUMBER", "0044 1314960131")
    assert len({mark, two("PHONE_NUMBER", "+44 131 496 0131"), one("PERSON", "x")}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "<PERSON_1>",
        "< PERSON_1 >",
        "<person_1>",
        "&lt;PERSON_1&gt;",
        "&#60;PERSON_01&#62;",
        "＜PERSON_1＞",
        "‹PERSON_1›",
        "a <PHONE_NUMBER_22> b",
        "<<PERSON_1>>",
        "<PERSON_1<PERSON_2>>",
    ],
)
def test_nothing_from_outside_passes_for_a_pseudonym(text: str) -> None:
    safe = unforged(text)
    assert not PSEUDONYM.search(safe)
    assert unforged(safe) == safe


@pytest.mark.parametrize("text", ["a < b_1 and c > 2", "<PERSON>", "x<1>", "PERSON_1", "<b>_1"])
def test_other_text_stays(text: str) -> None:
    assert unforged(text) == text


@given(st.text(alphabet="<>&lt;gPERSON_123 a", max_size=60))
def test_no_pseudonym_is_left_in_any_text(text: str) -> None:
    assert not PSEUDONYM.search(unforged(text))


@pytest.mark.parametrize(
    "unit", ["a", "<", "<P", "_", "<A_", "&#", "&#0", "< ", "1", "@", "<a_1", " "]
)
def test_hostile_texts_take_no_time(unit: str, within: Any) -> None:
    text = (unit * 10_000)[:10_000]
    within(1, lambda: unforged(text))
    within(1, lambda: PSEUDONYM.sub("", text))
    within(1, lambda: MARK.sub("", text))
    within(1, lambda: restorable(text))
    within(1, lambda: normal("PERSON", text))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Anna Berg", "Anna Berg"),
        ("12 High St\nLeith", "12 High St Leith"),
        ("a@b.example", "a@b.example"),
        ("[x](http://evil.example)", None),
        ("<img src=x>", None),
        ("https://evil.example/?d=1", None),
        ("Anna\u202eBerg", None),
    ],
)
def test_only_plain_values_come_back(value: str, shown: str | None) -> None:
    assert restorable(value) == shown


def found(label: str, start: int, end: int, action: Action) -> Finding:
    return Finding("answer", label, start, end, 0.9, "t", action)


def test_two_people_beside_each_other_stay_two() -> None:
    text = "Bo, Al"
    named = masks(text, [found("PERSON", 0, 2, "pseudonym"), found("PERSON", 4, 6, "pseudonym")])
    masked = masks(text, [found("PERSON", 0, 2, "redact"), found("PERSON", 4, 6, "redact")])
    assert (redact(text, named), redact(text, masked)) == ("<PERSON>, <PERSON>", "<PERSON>")


@pytest.mark.parametrize("end", ["'s", "’s", "'", ""])
def test_what_a_name_owns_stays_so(end: str) -> None:
    session = Session()
    mark = marking(session, Hasher())
    assert mark(Mask(0, 9, "PERSON", 9, "pseudonym"), f"Anna Berg{end}") == f"<PERSON_1>{end}"
    assert session.value("<PERSON_1>") == "Anna Berg"
    assert mark(Mask(0, 9, "PASSWORD", 9, "pseudonym"), f"x1{end}") == "<PASSWORD_1>"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_actions_on_one_span_the_stricter_wins(order: int) -> None:
    spans = [found("PERSON", 0, 8, "pseudonym"), found("EMAIL_ADDRESS", 4, 9, "redact")]
    assert masks("x" * 12, spans[::order]) == [Mask(0, 9, "PERSON", 8, "redact")]
