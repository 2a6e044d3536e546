"""A page of a PDF as a picture: the quoted words marked, other characters covered."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evals.sample import DOCUMENTS
from ingest.readers.pdf_picture import HEIGHT, WIDTH, found, page_picture, page_text

CODE = str(DOCUMENTS / "policies" / "code-of-conduct.pdf")
QUOTE = "Anyone may stop a job that looks unsafe"
MARKED, COVERED = (255, 233, 163), (107, 103, 95)


def colours(png: bytes) -> dict[object, int]:
    counted = Image.open(io.BytesIO(png)).convert("RGB").getcolors(1 << 24)
    return {colour: count for count, colour in counted or []}


def test_the_quote_is_marked_and_nothing_else() -> None:
    drawn = page_picture(CODE, 1, [QUOTE])
    assert drawn.marked == len(QUOTE)
    seen = colours(drawn.png)
    assert seen[MARKED] > 3000
    assert COVERED not in seen
    assert drawn.width <= WIDTH + 1
    assert drawn.height <= HEIGHT + 1
    assert MARKED not in colours(page_picture(CODE, 1, ["Nothing of this is there."]).png)


def test_hidden_characters_are_covered_also_where_they_are_quoted() -> None:
    text = page_text(CODE, 1)
    start = text.index("Anyone")
    open_now = page_picture(CODE, 1, [QUOTE])
    covered = page_picture(CODE, 1, [QUOTE], [(start, start + len(QUOTE))])
    assert colours(covered.png)[COVERED] > colours(open_now.png)[MARKED]
    assert colours(covered.png).get(MARKED, 0) < 1000, "a rim at most"


@pytest.mark.parametrize("page", [0, 4, -1])
def test_a_page_that_is_not_there(page: int) -> None:
    with pytest.raises(IndexError):
        page_picture(CODE, page, [])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        page_text(str(tmp_path / "gone.pdf"), 1)


@pytest.mark.parametrize(
    ("quote", "text", "expected"),
    [
        ("five days", "Up to fi-\nve days, no more.", ["fi-\nve days"]),
        ("Five  DAYS", "five days", ["five days"]),
        ("ﬁve days", "five days", ["five days"]),
        (
            "Name: Fiona Maclure | Post: Purser",
            "Name Post\nFiona Maclure Purser",
            ["Fiona Maclure"],
        ),
        ("six weeks", "five days", []),
        ("", "five days", []),
        ("•••", "five days", []),
    ],
)
def test_found(quote: str, text: str, expected: list[str]) -> None:
    spans = [text[start:end] for start, end in found(quote, text)]
    assert [span for span in spans if span in expected] == expected
    assert bool(spans) is bool(expected)


@given(st.text(max_size=80), st.data())
def test_what_stands_there_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = text[start:end]
    spans = found(quote, text)
    letters = "".join(letter for letter in quote.casefold() if letter.isalnum())
    assert bool(spans) is bool(letters)
    for left, right in spans:
        inside = "".join(c for c in text[left:right].casefold() if c.isalnum())
        assert letters in inside or inside in letters


@pytest.mark.parametrize("letter", ["a", "1", " ", "<", ".", "@", "|", ": "])
def test_hostile_text_costs_little(letter: str, within: Any) -> None:
    within(2, lambda: found(letter * 10_000 + "b", letter * 10_000))
