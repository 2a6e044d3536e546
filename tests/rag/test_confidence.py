"""Tokens come to the reader with what was shown of them, and with nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.confidence import laid_out, shown_tokens
from rag.types import Decision, Finding, Released, Token, Verdict


def tokens(*texts: str) -> list[Token]:
    return [Token(text, number, -0.1 * (number + 1)) for number, text in enumerate(texts)]


def released(start: int, end: int, *hidden: tuple[int, int], text: str = "") -> Released:
    findings = tuple(
        Finding("answer", "PHONE_NUMBER", a, b, 0.9, "test", "redact") for a, b in hidden
    )
    return Released(0, start, end, text, Verdict(Decision.REDACT, text, findings))


def test_a_segment_has_its_own_tokens_cut_to_it() -> None:
    said = tokens("One", " is", ". T", "wo", " is", ".")
    assert [token.text for token in shown_tokens(said, released(0, 8))] == ["One", " is", ". "]
    assert [token.text for token in shown_tokens(said, released(8, 15))] == ["T", "wo", " is", "."]


def test_what_touches_anything_hidden_is_left_out() -> None:
    said = tokens("Call", " 0131", " 496", " now.")
    shown = shown_tokens(said, released(0, 18, (5, 9), (10, 13)))
    assert [token.text for token in shown] == ["Call", " now."]


def test_a_character_of_several_tokens_is_as_likely_as_all_of_them() -> None:
    said = [Token("a", 0, -0.5), Token("", 1, -1.0), Token("é", 2, -0.25)]
    assert shown_tokens(said, released(0, 2)) == (Token("a", 0, -0.5), Token("é", 2, -1.25))


@given(
    st.lists(st.text(max_size=4), max_size=20), st.lists(st.integers(0, 80), max_size=6),
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 9)), max_size=3),
)  # fmt: skip
def test_no_hidden_character_is_ever_in_a_token(
    texts: list[str], cuts: list[int], spans: list[tuple[int, int]]
) -> None:
    said, whole = tokens(*texts), "".join(texts)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    for start, end in pairwise(places):
        inside = [(a, min(a + n, end - start)) for a, n in spans if a < end - start]
        shown = shown_tokens(said, released(start, end, *inside))
        letters = sum(len(token.text) for token in shown)
        hidden = {place for a, b in inside for place in range(a, b)}
        assert letters <= end - start - len(hidden)
        if not inside:
            assert "".join(token.text for token in shown) == whole[start:end]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Call now.", [("Call", True), (" now.", True)]),
        ("Call <PHONE_NUMBER> now.", [("Call", True), (" <PHONE_NUMBER>", False), (" now.", True)]),
        ("<X>", [("<X>", False)]),
    ],
)
def test_a_text_is_laid_out_with_what_no_token_says(
    text: str, pieces: list[tuple[str, bool]]
) -> None:
    laid = laid_out(text, tokens("Call", " now."))
    assert [(piece, sure is not None) for piece, sure in laid] == pieces
    assert "".join(piece for piece, _ in laid) == text
