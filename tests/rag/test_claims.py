"""Reading a sentence's surface, as tables."""

from __future__ import annotations

import pytest

from rag.claims import content_words, is_claim, is_refusal, names, negations, numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 1,250.50 pounds", {"1250.50"}),
        ("five days by 31 March", {"5", "31"}),
        ("at 09:30 on 2026-02-03", {"09:30", "2026", "02", "03"}),
        ("no figures here", set()),
    ],
)
def test_numbers(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ferry Kittiwake left Port Callow.", {"kittiwake", "port", "callow"}),
        ("Maria's boat is here", set()),
        ("Ask <EMAIL_ADDRESS> or Anna", {"anna"}),
    ],
)
def test_names(text: str, expected: set[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I don’t know the answer.",
        "I do not know",
        "The passages do not mention a dental plan.",
        "The provided passages don't contain this.",
        "There is no information about that.",
        "I'm not sure.",
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)
    assert not is_claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "The policy does not cover dental care.",
        "Staff don't know the code until they are trained.",
        "No dogs are allowed on MV Dunlin.",
    ],
)
def test_denials_are_claims(text: str) -> None:
    assert not is_refusal(text)
    assert is_claim(text)


@pytest.mark.parametrize("text", ["", "  ", "Sure!", "Here are the steps:", "---", "Thank you."])
def test_framing_claims_nothing(text: str) -> None:
    assert not is_claim(text)


def test_words_and_negations() -> None:
    assert content_words("The five gates opened") == content_words("5 gate open")
    assert "<PHONE_NUMBER>" in content_words("Call <PHONE_NUMBER>")
    assert negations("It isn't open and never was") == {"isn't", "never"}
