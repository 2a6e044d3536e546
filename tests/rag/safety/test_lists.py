"""What is public is told by what it means; what is denied is found wherever it stands."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety.guard import Guard
from rag.safety.labels import LABELS
from rag.safety.lists import DenyFilter, Lists, Values
from rag.safety.patterns import BadPattern, BoundedPattern
from rag.safety.policy import DEFAULT
from rag.safety.rules import Allowed, Denied
from rag.types import Decision

LISTS = Lists(
    Allowed(
        values=(
            "+44 131 496 0100",
            "(212) 555-0123",
            "Info@Example.org",
            "GB82 WEST 1234 5698 7654 32",
            "Ada Lovelace",
        ),
        domains=("our.example",),
        patterns=(r"ext-\d{3}@x\.test",),
    )
)


@pytest.mark.parametrize(
    ("label", "raw", "public"),
    [
        ("PHONE_NUMBER", "+44 131 496 0100", True),
        ("PHONE_NUMBER", "+44 (0)131-496-0100", True),
        ("PHONE_NUMBER", "0044 131 4960100", True),
        ("PHONE_NUMBER", "0131 496 0100", True),
        ("PHONE_NUMBER", "(0131) 496 0100", True),
        ("PHONE_NUMBER", "+44 131 496 0101", False),
        ("PHONE_NUMBER", "+1 131 496 0100", False),
        ("PHONE_NUMBER", "0131 496 0100 ext. 7", False),
        ("PHONE_NUMBER", "496 0100", False),
        ("PHONE_NUMBER", "+1 212 555 0123", True),
        ("PHONE_NUMBER", "1-212-555-0123", True),
        ("PHONE_NUMBER", "212.555.0123", True),
        ("PHONE_NUMBER", "+1 312 555 0123", False),
        ("PHONE_NUMBER", "+", False),
        ("EMAIL_ADDRESS", "INFO@example.ORG", True),
        ("EMAIL_ADDRESS", "info [at] example [dot] org", True),
        ("EMAIL_ADDRESS", "info@example.org.evil.test", False),
        ("EMAIL_ADDRESS", "inf.o@example.org", False),
        ("EMAIL_ADDRESS", "ann@our.example", True),
        ("EMAIL_ADDRESS", "ann@post.OUR.example", True),
        ("EMAIL_ADDRESS", "ann@notour.example", False),
        ("EMAIL_ADDRESS", "ann@our.example@evil.test", False),
        ("EMAIL_ADDRESS", "ext-123@x.test", True),
        ("EMAIL_ADDRESS", "my-ext-123@x.test", False),
        ("IBAN_CODE", "gb82west12345698765432", True),
        ("IBAN_CODE", "GB82 WEST 1234 5698 7654 33", False),
        ("PERSON", "ada  lovelace", True),
        ("PERSON", "Lovelace, Ada", True),
        ("PERSON", "Ada", False),
        # Of other labels nothing is public, whatever it reads.
        ("PROMPT_INJECTION", "Ada Lovelace", False),
        ("PASSWORD", "Ada Lovelace", False),
        ("HATE", "+44 131 496 0100", False),
    ],
)
def test_what_is_public(label: str, raw: str, public: bool) -> None:
    assert LISTS.allows(label, raw) is public


NUMBERS = st.tuples(st.sampled_from(["44", "49", "1", "353"]), st.integers(10**8, 10**9 - 1))


@given(NUMBERS, st.lists(st.sampled_from(["", " ", "-", ".", " - "]), min_size=9, max_size=9))
def test_a_number_is_the_same_however_it_is_grouped(
    number: tuple[str, int], signs: list[str]
) -> None:
    country, national = number
    grouped = "".join(d + s for d, s in zip(str(national), signs, strict=True)).rstrip(" -.")
    values = Values([("PHONE_NUMBER", f"+{country}{national}")])
    for form in (f"+{country} {grouped}", f"00{country}{grouped}", f"0{grouped}"):
        assert ("PHONE_NUMBER", form) in values


@given(NUMBERS, NUMBERS)
def test_two_numbers_stay_two(one: tuple[str, int], other: tuple[str, int]) -> None:
    values = Values([("PHONE_NUMBER", f"+{one[0]} {one[1]}")])
    assert (("PHONE_NUMBER", f"+{other[0]} {other[1]}") in values) == (one == other)


ADDRESSES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}@[a-z0-9]{1,20}\.(org|test)", fullmatch=True)


@given(ADDRESSES, ADDRESSES)
def test_addresses_differ_in_more_than_case(one: str, other: str) -> None:
    values = Values([("EMAIL_ADDRESS", one)])
    assert ("EMAIL_ADDRESS", one.upper()) in values
    assert (("EMAIL_ADDRESS", other) in values) == (one == other)


@given(st.sampled_from(LABELS), st.text(max_size=40))
def test_an_empty_list_allows_nothing(label: str, raw: str) -> None:
    assert not Lists(Allowed()).allows(label, raw)


@given(st.text(alphabet=string.punctuation + " ", max_size=20))
def test_signs_alone_are_no_phone_number(raw: str) -> None:
    assert not LISTS.allows("PHONE_NUMBER", raw)


class Changing:
    """Public data that changes its mind, or fails."""

    def __init__(self) -> None:
        self.public = True
        self.stamp = "1"

    def allows(self, label: str, raw: str) -> bool:
        if self.stamp == "gone":
            raise RuntimeError("no base")
        return self.public

    def epoch(self) -> str:
        return self.stamp


def test_what_is_public_no_longer_is_masked_although_it_was_seen_before() -> None:
    public = Changing()
    lists = Lists(Allowed(), public)
    deny = DenyFilter(Denied(patterns=(r"\d{4}",)))

    class Phones:
        name = "phones"

        def find(self, text: str, stage: object) -> list[object]:
            from dataclasses import replace

            return [replace(f, label="PHONE_NUMBER") for f in deny.find(text, "answer")]

    guard = Guard([Phones()], DEFAULT, allows=lists.allows, epoch=lists.epoch)  # type: ignore[list-item]
    assert guard.check("Call 1234", "answer").text == "Call 1234"
    public.public, public.stamp = False, "2"
    assert guard.check("Call 1234", "answer").text == "Call <PHONE_NUMBER>"
    public.stamp = "gone"
    verdict = guard.check("Call 1234", "answer")
    assert (verdict.decision, verdict.status) == (Decision.BLOCK, "error")


DENY = DenyFilter(Denied(("Project Falcon", "C++", "禁止", "x"), (r"PRJ-\d{4}",)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("On project  falcon, and Project\nFalcon.", ["project  falcon", "Project\nFalcon"]),
        ("Projects Falcon, Project Falcons", []),
        ("We write c++ here", ["c++"]),
        ("这是禁止的", ["禁止"]),
        ("PRJ-1234 and prj-1234", ["PRJ-1234"]),
        ("Max X. y", ["X"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_denied_words(text: str, found: list[str]) -> None:
    spans = DENY.find(text, "answer")
    assert [text[f.start : f.end] for f in spans] == found
    assert {f.label for f in spans} <= {"DENIED"}


@given(st.text(alphabet="aF \n\t.-", max_size=60))
def test_a_denied_word_is_found_as_it_stands(around: str) -> None:
    text = f"{around} Project \n Falcon {around}"
    spans = [text[f.start : f.end] for f in DENY.find(text, "answer")]
    assert "Project \n Falcon" in spans


def test_a_denied_word_is_masked_and_a_question_with_it_blocked() -> None:
    guard = Guard([DENY], DEFAULT)
    assert guard.check("It is PRJ-1234.", "answer").text == "It is <DENIED>."
    assert guard.check("What is PRJ-1234?", "question").decision is Decision.BLOCK


HOSTILE = [(unit * 10_000)[:10_000] for unit in ("a", "1", " ", "<", ".", "@", "C+", "project ")]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:3] for text in HOSTILE])
def test_hostile_texts_take_no_time(text: str, within: Any) -> None:
    deny = DenyFilter(Denied(tuple(f"project {i} falcon" for i in range(1000))))
    within(1, lambda: deny.find(text, "answer"))
    within(1, lambda: [LISTS.allows(label, text) for label in LABELS])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a+)+$", "too slow"),
        (r"(\w+\s?)*:", "too slow"),
        ("a*", "empty text"),
        ("(", "no regular expression"),
        ("a" * 301, "301 characters"),
    ],
)
def test_patterns_that_cannot_be_used(pattern: str, said: str) -> None:
    with pytest.raises(BadPattern, match=said):
        BoundedPattern(pattern)


@pytest.mark.parametrize("pattern", [r"PRJ-\d{4}", r"(?i)falcon\w{0,9}", r"\d+-\d+", "é|ü"])
def test_patterns_that_can(pattern: str) -> None:
    assert list(BoundedPattern(pattern).find("")) == []
