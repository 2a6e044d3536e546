"""Answers held against accepted ones: SQuAD's own examples, and words at word boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.stats.text import contains_answer, exact_match, squad_normalise, token_f1, token_recall

TEXT = st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Norman's, conquest!", "normans conquest"),
        ("A an the THE theory", "theory"),
        ("five-day", "fiveday"),
        ("", ""),
    ],
)
def test_squad_normalise(text: str, expected: str) -> None:
    assert squad_normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "answers", "em", "f1"),
    [
        ("The Denver Broncos.", ["Denver Broncos"], 1, 1),
        ("Denver", ["Denver Broncos", "The Broncos"], 0, 2 / 3),
        ("in the year 1066", ["1066"], 0, 0.5),
        ("a a b", ["a b b"], 0, 2 / 3),  # articles go, then b against b b
        ("", [], 1, 1),
        ("something", [], 0, 0),
        ("something", ["..."], 0, 0),  # an answer of nothing is none
        ("", ["Denver"], 0, 0),
    ],
)
def test_squad_scores(text: str, answers: list[str], em: float, f1: float) -> None:
    assert exact_match(text, answers) == em
    assert token_f1(text, answers) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("text", "answer", "stands"),
    [
        ("It is Five  days.", "five days", True),
        ("It is six days.", "five days", False),
        ("It took 15 days", "5", False),
        ("It took 5 days", "5", True),
        ("It took 5.5 days", "5", False),
        ("It cost £1,000.", "1000", True),
        ("It cost 1000 pounds", "£1,000", True),
        ("version 3.5", "35", False),
        ("It ended at 5.", "5", True),
        ("a five-day course", "five day", True),
        ("Acme's plan", "acme", True),
        ("an art", "car", False),
        ("written in C++", "C", False),
        ("written in C++.", "c++", True),
        ("grade A", "A", True),
        ("grade B", "A", False),
        ("the office in the City of London", "City of the London", True),
        ("会社は東京にあります", "東京", True),
        ("ﬁve days", "five", True),
        ("anything", "", False),
        ("anything", "...", False),
        ("", "five", False),
    ],
)
def test_contains(text: str, answer: str, stands: bool) -> None:
    assert contains_answer(text, ["nothing like it", answer]) is stands


def test_contains_without_answers() -> None:
    assert not contains_answer("anything", [])


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("paid within 30 days", ["within thirty days", "30 days"], 1.0),
        ("days", ["30 days"], 0.5),
        ("days", ["days days"], 0.5),
        ("none", ["30 days"], 0.0),
        ("", [], 1.0),
        ("no", [], 0.0),
    ],
)
def test_token_recall(text: str, answers: list[str], expected: float) -> None:
    assert token_recall(text, answers) == expected


@given(TEXT, TEXT)
def test_scores_are_shares_and_agree(text: str, other: str) -> None:
    for answer in (text, other):
        assert 0 <= exact_match(text, [answer]) <= token_f1(text, [answer]) + 1e-9 <= 1 + 2e-9
        assert 0 <= token_recall(text, [answer]) <= 1
    if squad_normalise(text):
        assert exact_match(text, [other, text]) == token_f1(text, [other, text]) == 1
    if contains_answer(text, [other]):
        assert token_recall(text, [other]) == 1


@given(TEXT, st.text("abc xyz", max_size=10), TEXT)
def test_what_was_put_in_is_contained(before: str, answer: str, after: str) -> None:
    assert contains_answer(f"{before} \n {answer} \n {after}", [answer]) is bool(answer.strip())
