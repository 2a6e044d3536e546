"""Stand-ins: the same person is the same stand-in, and nothing that was found is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.review.stand_ins import StandIns, open_pseudonymiser
from rag.types import Finding

PATTERNS = {
    "EMAIL_ADDRESS": r"[\w.]+@[\w.]+\w",
    "PHONE_NUMBER": r"\+44[\d ]+\d",
    "IP_ADDRESS": r"\b\d+\.\d+\.\d+\.\d+\b|\bfe80::\w+",
    "CREDIT_CARD": r"\b\d{4} \d{4} \d{4} \d{4}\b",
    "API_KEY": r"sk-\w+",
    "PERSON": r"(?:Fiona|Ian) Maclure(?:'s)?|John Smith|Mary Jones|EMAIL",
    "LOCATION": r"London",
}


def find(text: str) -> list[Finding]:
    return [
        Finding("question", label, match.start(), match.end(), 0.9, "pii")
        for label, pattern in PATTERNS.items()
        for match in re.finditer(pattern, text)
    ]


def swap(*texts: str) -> tuple[str, ...]:
    return StandIns(find)(texts)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Is Fiona Maclure in London?"], ["Is Robin Marsh in London?"]),
        (["Fiona Maclure's desk", "Fiona left."], ["Robin Marsh's desk", "Robin left."]),
        (["Fiona Maclure, Ian Maclure"], ["Robin Marsh, Casey Marsh"]),
        (["John Smith", "JOHN SMITH? john smith!"], ["Robin Marsh", "ROBIN MARSH? robin marsh!"]),
        (["Robin asks for Mary Jones"], ["Robin asks for Casey Marsh"]),
        (
            ["john.smith@merrow.org or John Smith, info@merrow.org"],
            ["robin.marsh@example.com or Robin Marsh, casey.brook@example.com"],
        ),
        (["+44 20 7946 0958 or +442079460958"], ["+1 202 555 0101 or +1 202 555 0101"]),
        (["10.0.0.7 and fe80::1"], ["192.0.2.1 and 2001:db8::1"]),
        (["4012 8888 8888 1881 by sk-abc"], ["4111 1111 1111 1111 by EXAMPLE-API-KEY-1"]),
        (["Write to <EMAIL_ADDRESS> or •••••"], ["Write to <EMAIL_ADDRESS> or •••••"]),
        (["nothing here", ""], ["nothing here", ""]),
    ],
)  # fmt: skip
def test_stand_ins(texts: list[str], expected: list[str]) -> None:
    assert list(swap(*texts)) == expected


def test_each_call_begins_anew() -> None:
    one = StandIns(find)
    assert one(["John Smith"]) == one(["Mary Jones"]) == ("Robin Marsh",)


def test_two_addresses_of_one_person_stay_two() -> None:
    (text,) = swap("John Smith: john.smith@a.org, smith.john@b.org, john.smith@c.org, j@d.org")
    found = re.findall(r"[\w.]+@[\w.]+\w", text)
    assert len(set(found)) == 4
    assert found[0].startswith("robin.marsh@")


def test_low_scores_and_places_stay() -> None:
    low = StandIns(lambda text: [Finding("question", "PHONE_NUMBER", 0, 3, 0.3, "pii")])
    assert low(["123 days"]) == ("123 days",)


def test_overlapping_findings_leave_nothing() -> None:
    both = StandIns(
        lambda text: [
            Finding("question", "PHONE_NUMBER", 4, 10, 0.9, "pii"),
            Finding("question", "BANK_ACCOUNT", 8, 16, 0.9, "pii"),
        ]
    )
    assert both(["abc 123456789012 def"]) == ("abc EXAMPLE-BANK-ACCOUNT-1 def",)


WORDS = st.sampled_from(
    ["Fiona Maclure", "Ian Maclure", "John Smith", "Fiona", "fiona maclure", "a@b.org", "and",
     "fiona.maclure@b.org", "+44 20 7946 0958", "10.0.0.7", "4012 8888 8888 1881", "sk-abc",
     "Robin", "Marsh", "<EMAIL_ADDRESS>", ".", "the"]
)  # fmt: skip


@given(st.lists(st.lists(WORDS, max_size=8).map(" ".join), min_size=1, max_size=4))
def test_nothing_that_was_found_is_left(texts: list[str]) -> None:
    found = {
        text[f.start : f.end] for text in texts for f in find(text) if f.label != "LOCATION"
    } - {"EMAIL"}
    after = StandIns(find)(texts)
    assert len(after) == len(texts)
    assert not [value for value in found for text in after if value.casefold() in text.casefold()]
    assert after == StandIns(find)(texts), "the same texts give the same stand-ins"


@given(st.integers(1, 200))
def test_there_are_enough_people(count: int) -> None:
    names = [
        f"{chr(65 + n % 26)}{'x' * (n // 26 + 1)} {'y' * (n + 1)}".title() for n in range(count)
    ]

    def people(text: str) -> list[Finding]:
        return [Finding("question", "PERSON", 0, len(text), 0.9, "pii")]

    assert len(set(StandIns(people)(names))) == count


@pytest.mark.models
def test_the_real_filter_finds_names(ner_path: Path) -> None:
    texts = [
        "How do I reach Fiona Maclure, who is at fiona.maclure@merrow.org.uk?",
        "Call Fiona on +44 20 7946 0958.",
    ]
    after = " ".join(open_pseudonymiser()(texts))
    assert after == (
        "How do I reach Robin Marsh, who is at robin.marsh@example.com? "
        "Call Robin on +1 202 555 0101."
    )
