"""However a text is cut, the same comes back, and only what the session gave."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety.pseudonyms import Session
from rag.safety.restore import Restorer, restore, veiled


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session()
    for raw in ("Anna Berg", "Karl Maier", "<b>Evil</b>"):
        session.name("PERSON", raw)
    session.name("PHONE_NUMBER", "+44 131 496 0131")
    return session


CASES = [
    ("<PERSON_1> is here.", "Anna Berg is here."),
    ("<PERSON_1>'s boat and <PERSON_2>’s", "Anna Berg's boat and Karl Maier’s"),
    ("**<PERSON_1>**, _<PERSON_2>_", "**Anna Berg**, _Karl Maier_"),
    ("Call <PHONE_NUMBER_1>.", "Call +44 131 496 0131."),
    ("PERSON_1 and <PERSON 1>", "PERSON_1 and <PERSON 1>"),
    ("<PERSON_99> <PERSON_0> <PERSON_01>", "<PERSON_99> <PERSON_0> <PERSON_01>"),
    ("<PERSON_11> <person_1> <PERSON>", "<PERSON_11> <person_1> <PERSON>"),
    ("<PERSON_1", "<PERSON_1"),
    ("<<PERSON_1>>", "<Anna Berg>"),
    ("<PERSON_3>", "<PERSON_3>"),
    ("1 < 2 <", "1 < 2 <"),
]


@pytest.mark.parametrize(("text", "whole"), CASES)
def test_what_comes_back(session: Session, text: str, whole: str) -> None:
    assert restore(text, session.value).text == whole
    assert restore(text, veiled).text == text


PIECES = st.lists(
    st.sampled_from(
        ("<PERSON_1>", "<PERSON_2>", "<PHONE_NUMBER_1>", "<PERSON_99>", "<", ">", "_1>", " a", "P")
    ),
    max_size=12,
)


@given(PIECES, st.data())
def test_any_cut_gives_the_same(session: Session, pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    edges = [0, *sorted(cuts), len(text)]
    restorer = Restorer(session.value)
    said = "".join(restorer.feed(text[a:b]).text for a, b in pairwise(edges))
    assert said + restorer.finish() == restore(text, session.value).text


@given(PIECES)
def test_one_character_at_a_time(session: Session, pieces: list[str]) -> None:
    text = "".join(pieces)
    restorer = Restorer(session.value)
    said = ""
    for char in text:
        said += restorer.feed(char).text
        assert restore(text, session.value).text.startswith(said)
    assert said + restorer.finish() == restore(text, session.value).text


def test_offsets_go_along(session: Session) -> None:
    text = "Ask <PERSON_1> or <PERSON_2> by 9000."
    done = restore(text, session.value)
    at = done.place(text.index("9000"))
    assert done.text[at : at + 4] == "9000"
    assert done.text[done.place(4) :].startswith("Anna Berg")
    assert done.text[: done.place(10)] == "Ask Anna Berg"


def test_what_never_ends_is_not_held_for_ever(session: Session) -> None:
    restorer = Restorer(session.value)
    said = restorer.feed("<" + "A" * 500).text
    assert len(said) + restorer.held == 501
    assert restorer.held == 0
