"""Sentence spans: the rules by example, and what holds for every text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import split_sentences

CASES = [
    ("", []),
    ("  \n ", []),
    ("One. Two! Three?", ["One.", "Two!", "Three?"]),
    ("Dr. Smith met Mr. Jones. They ate.", ["Dr. Smith met Mr. Jones.", "They ate."]),
    ("J. R. R. Tolkien wrote it.", ["J. R. R. Tolkien wrote it."]),
    ("It costs 3.50 or 1,000.25 now. Yes.", ["It costs 3.50 or 1,000.25 now.", "Yes."]),
    ("See https://a.org/b.c?d=e.f for it. Done.", ["See https://a.org/b.c?d=e.f for it.", "Done."]),
    ("Use tools, e.g. hammers. Stop.", ["Use tools, e.g. hammers.", "Stop."]),
    ("He came at 5 p.m. Then he left.", ["He came at 5 p.m.", "Then he left."]),
    ('"Really?" she asked. He nodded.', ['"Really?" she asked.', "He nodded."]),
    ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
    ("See Fig. 3 and No. 7 there.", ["See Fig. 3 and No. 7 there."]),
    ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
    ("version 2.0.1 is out.", ["version 2.0.1 is out."]),
    ("- one. Two\n- three", ["- one.", "Two", "- three"]),
    ("1. First\n2. Second", ["1. First", "2. Second"]),
    ("| a | b |\n| c | d |", ["| a | b |", "| c | d |"]),
    ("# Title\nBody text.", ["# Title", "Body text."]),
    ("Name: Bob\nAge: 12", ["Name: Bob", "Age: 12"]),
    ("Title\n\nBody", ["Title", "Body"]),
    ("这是一句。这是第二句！好", ["这是一句。", "这是第二句！", "好"]),
    ("これは「例。」です。次", ["これは「例。」", "です。", "次"]),
    (
        "A paragraph that was wrapped by an editor at some\nwidth goes on. Then it ends.",
        ["A paragraph that was wrapped by an editor at some\nwidth goes on.", "Then it ends."],
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_split(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == expected


texts = st.text(
    alphabet=st.one_of(
        st.sampled_from("aB1.!?。 \n\t-|#\"')(e.g.Dr:;…\u00a0\u2028\r\x0b"), st.characters()
    ),
    max_size=120,
)


@given(texts)
def test_spans_are_ordered_trimmed_and_cover_all(text: str) -> None:
    last = 0
    covered = bytearray(len(text))
    for start, end in split_sentences(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered[start:end] = b"\1" * (end - start)
        last = end
    assert all(mark or char.isspace() for mark, char in zip(covered, text, strict=True))


@pytest.mark.parametrize("part", ["Word ", "a.b ", "!", "?)", ". ", "。", "\n ", "- ", "A. ", "…”"])
def test_long_texts_take_linear_time(part: str, within: Any) -> None:
    text = part * 100_000
    within(15, lambda: split_sentences(text))
    within(15, lambda: split_sentences("Word. " + text + "word"))
