"""A sentence is judged with what it can't be understood without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.types import Vectors
from rag.prompt import Unit
from rag.types import Passage
from rag.worth import POINTED_AT, valued


class Words:
    """An embedder that knows no meaning: what is left of a value is shared words."""

    name, sha256, dimension = "words", "0" * 64, 2

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: list[str]) -> Vectors:
        self.seen = list(texts)
        return np.zeros((len(texts), 2), dtype=np.float32)


def passage(heading: str = "") -> Passage:
    headings = (heading,) if heading else ()
    return Passage(1, 0.0, 0.0, 0.0, "d", "d", "", headings, None, 0, 0, "")


def units(*texts: str) -> list[Unit]:
    return [Unit(0, index * 100, index * 100 + 99, text, 0.0) for index, text in enumerate(texts)]


def read_as(*texts: str, heading: str = "") -> list[str]:
    """How the embedder meets the sentences."""
    embedder = Words()
    valued("q", [passage(heading)], units(*texts), embedder)
    return embedder.seen[1:]


def worth(question: str, *texts: str) -> list[float]:
    found, _ = valued(question, [passage()], units(*texts), Words())
    return [unit.value for unit in found]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("A plain sentence.",), ("A plain sentence.",)),
        (
            ("| Vehicle | Rate per mile |", "| Car | 45p |"),
            ("| Vehicle | Rate per mile |", "| Vehicle | Rate per mile | | Car | 45p |"),
        ),
        (  # a row that names its columns needs no header
            ("Code | Meaning", "Code: W09 | Meaning: Phase missing"),
            ("Code | Meaning", "Code: W09 | Meaning: Phase missing"),
        ),
        (  # a table ends where prose begins
            ("a | b", "1 | 2", "Prose.", "c | d", "3 | 4"),
            ("a | b", "a | b 1 | 2", "Prose.", "c | d", "c | d 3 | 4"),
        ),
    ],
)
def test_rows_are_read_with_the_names_of_their_columns(
    texts: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert read_as(*texts) == list(expected)


def test_a_sentence_is_read_with_its_heading() -> None:
    assert read_as("Forty pence a mile.", heading="Your own car") == [
        "Your own car: Forty pence a mile."
    ]


@pytest.mark.parametrize(
    "second",
    ["This code appears on shore power.", "It appears on shore power.", "The latter: shore power."],
)
def test_a_sentence_that_points_back_brings_the_one_before(second: str) -> None:
    before, pointing = worth("What appears on shore power?", "W09 means phase missing.", second)
    assert before == pytest.approx(POINTED_AT * pointing)


def test_pointing_back_goes_on_through_a_chain() -> None:
    first, second, third = worth("shore power", "W09 is shown.", "It blinks.", "This: shore power.")
    assert first == pytest.approx(POINTED_AT * second) == pytest.approx(POINTED_AT**2 * third)


def test_a_sentence_that_stands_alone_brings_only_a_neighbours_share() -> None:
    before, _ = worth("shore power", "W09 is shown.", "Thistles like shore power.")
    assert before < POINTED_AT * 0.3


def test_the_header_is_worth_as_much_as_its_best_row() -> None:
    header, row, best = worth("bicycle", "| What | Price |", "| Dog | 4 |", "| Bicycle | 3 |")
    assert header == best > row


def test_nothing_is_worth_nothing() -> None:
    assert valued("q", [passage()], [], Words()) == ((), 0.0)


@given(
    st.lists(st.sampled_from(["It is.", "a | b", "Rates rise.", "| 1 | 2 |", "So."]), max_size=9)
)
def test_no_sentence_loses_by_its_neighbours(texts: list[str]) -> None:
    together, alone = worth("rates", *texts), [worth("rates", text)[0] for text in texts]
    assert all(a >= b - 1e-9 for a, b in zip(together, alone, strict=True))
