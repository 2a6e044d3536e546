"""What a passage names, what that leads on to, and where it is put."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.links import inserted, new_names, says, turns
from rag.retrieve import LINK_AFTER, Retriever
from rag.types import Passage
from ui.view import parts, passage_json

ROWS = st.lists(st.integers(0, 30), max_size=12, unique=True)


@pytest.mark.parametrize(
    ("question", "text", "names"),
    [
        ("Who runs it?", "Run by Ada Lovelace of Leeds.", ["Ada Lovelace of Leeds"]),
        ("Was Ada born?", "Ada met the Bank of England.", ["Bank of England"]),
        ("What then?", "They went on. It was over.", []),
        ("What then?", "nothing is named here", []),
    ],
)
def test_names_that_the_question_does_not_say(question: str, text: str, names: list[str]) -> None:
    assert new_names(question, "", text) == names


def test_few_names_are_taken_and_the_title_is_first() -> None:
    text = " and ".join(f"x Name{n}" for n in range(30))
    assert new_names("", "Harbour Book", text)[:2] == ["Harbour Book", "Name0"]
    assert len(new_names("", "Harbour Book", text)) == 8


def test_a_name_is_found_whatever_its_capitals() -> None:
    assert says("built by ADA LOVELACE", ["Grace", "Ada Lovelace"])
    assert not says("built by hand", ["Grace"])
    assert not says("built by hand", [])


@given(st.lists(ROWS, max_size=4))
def test_turns_lose_nothing_and_repeat_nothing(rankings: list[list[int]]) -> None:
    found = turns(rankings)
    assert len(found) == len(set(found))
    assert set(found) == {row for ranking in rankings for row in ranking}
    assert found[:1] == [ranking[0] for ranking in rankings if ranking][:1]


@given(ROWS, ROWS, st.integers(0, 15))
def test_inserted_after_the_best_few(rows: list[int], linked: list[int], after: int) -> None:
    found = inserted(rows, linked, after)
    assert len(found) == len(set(found))
    assert set(found) == {*rows, *linked}
    assert found[: min(after, len(rows))] == rows[:after]
    new = [row for row in linked if row not in rows[:after]]
    assert found[len(rows[:after]) :][: len(new)] == new


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    """Who built the ferry is in one document, and where she was born in another."""
    root, kb = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("kb")
    (root / "ferry.md").write_text("The builder of the ferry Merrow was Ada Quill, and no other.")
    (root / "ada.md").write_text("Ada Quill grew up on a farm near Leeds.")
    for n in range(30):
        (root / f"{n}.md").write_text(f"The builder of the ferry of pier {n} was born at home.")
    ingest([root], kb, HashEmbedder())
    return KnowledgeBase.open(kb)


QUESTION = "Where was the builder of the ferry Merrow born?"


def search(base: KnowledgeBase, **settings: int) -> list[Passage]:
    return Retriever(base, HashEmbedder(), RetrieveConfig(**settings)).retrieve(QUESTION)


def test_the_next_document_is_found_by_name(base: KnowledgeBase) -> None:
    plain, linked = search(base, links=0), search(base, links=1)
    assert not any("farm" in passage.text for passage in plain)
    at = next(i for i, passage in enumerate(linked) if "farm" in passage.text)
    assert at == LINK_AFTER
    assert linked[at].linked
    assert "better passage names" in parts(linked[at])
    assert passage_json(linked[at])["linked"]
    assert [p.document for p in linked[:at]] == [p.document for p in plain[:at]]
    assert [p.score for p in linked] == sorted((p.score for p in linked), reverse=True)
    assert sum(passage.linked for passage in linked) == 1


def test_nothing_outside_the_groups_is_linked(tmp_path: Path) -> None:
    for name, groups in (("open", frozenset[str]()), ("shut", frozenset({"hr"}))):
        root = tmp_path / name
        root.mkdir()
        text = "Ferry Merrow: built by Ada Quill." if name == "open" else "Ada Quill: a farm."
        (root / "a.md").write_text(text)
        ingest([root], tmp_path / "kb", HashEmbedder(), groups=groups)
    retriever = Retriever(
        KnowledgeBase.open(tmp_path / "kb"), HashEmbedder(), RetrieveConfig(links=2)
    )
    assert len(retriever.retrieve("ferry Merrow")) == 1
    assert len(retriever.retrieve("ferry Merrow", frozenset({"hr"}))) == 2
