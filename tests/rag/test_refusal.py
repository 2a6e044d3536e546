"""What an "I don't know" tells: what was searched, what was nearest, and no personal data."""

from __future__ import annotations

import pytest

from rag.refusal import LONGEST, apology, shortened
from rag.types import Passage


def passage(title: str) -> Passage:
    return Passage(1, 0.5, 0.5, 1.0, "d", "p", title, (), None, 0, 4, "Text")


@pytest.mark.parametrize(
    ("titles", "searched", "where", "said"),
    [
        (["A", "B", "A", "C", "D"], "What is x?", "",
         "I don't know: the documents don't answer this. Searched for: What is x; nearest were: "
         "A; B; C."),
        (["A"], "", "", "I don't know: the documents don't answer this. Nearest were: A."),
        ([], "What?", "",
         "I don't know: there are no documents here that I may search for you."),
        ([], "What?", "a=b",
         "I don't know: no document that I may search for you meets your conditions."),
    ],
)  # fmt: skip
def test_its_words(titles: list[str], searched: str, where: str, said: str) -> None:
    assert apology([passage(title) for title in titles], searched, where) == said


def test_a_long_question_is_shortened_at_a_word() -> None:
    line = shortened("word " * 100 + "\n\nmore?")
    assert len(line) <= LONGEST + 2
    assert line.endswith("word …")
