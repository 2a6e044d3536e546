"""Near-duplicates share a place; what differs keeps its own; nobody hears of what is hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import StoredChunk
from rag.collapse import collapse, crowded
from rag.config import RetrieveConfig
from rag.retrieve import Retriever
from rag.types import Citation, Passage
from ui.view import passage_json, twins, version_note

SENTENCES = [f"Rule {n} says that item {n} of list {n} is kept for {n} days." for n in range(40)]


def chunk(row: int, document: str, text: str, date: str = "") -> StoredChunk:
    return StoredChunk(
        row, f"c{row}", document, document, "", 0, len(text), text, (), None, frozenset(), date
    )


def places(chunks: list[StoredChunk], families: dict[int, int]) -> list[tuple[int, int, str]]:
    rows = [item.row for item in chunks]
    twins = crowded(rows, families)
    found = collapse(rows, families, {c.row: c for c in chunks if c.row in twins})
    return [(place.found, place.row, "".join(place.also)) for place in found]


LEAVE = "Annual leave is twenty five days a year for everyone who works here full time."
CHANGED = "Annual leave is twenty six days a year for everyone who works here full time."
OTHER = "The ferry leaves the harbour at nine and comes back when the tide allows it."


def test_the_best_stands_for_the_others() -> None:
    chunks = [chunk(1, "a", LEAVE), chunk(2, "x", LEAVE), chunk(3, "b", CHANGED)]
    assert places(chunks, {1: 7, 3: 7}) == [(1, 1, "b"), (2, 2, "")]


def test_the_newest_is_shown_where_the_best_is_dated() -> None:
    old, new = "2020-01-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00"
    chunks = [chunk(1, "a", LEAVE, old), chunk(2, "b", CHANGED, new), chunk(3, "c", LEAVE)]
    assert places(chunks, dict.fromkeys((1, 2, 3), 7)) == [(1, 2, "ac")]
    undated = [chunk(1, "a", LEAVE), chunk(2, "b", CHANGED, new)]
    assert places(undated, dict.fromkeys((1, 2), 7)) == [(1, 1, "b")]


def test_older_versions_are_told_from_mere_twins() -> None:
    dates = {"a": "2020-01-01", "b": "2024-01-01", "c": "", "d": "2024-01-01"}
    chunks = [chunk(n, name, LEAVE, date) for n, (name, date) in enumerate(dates.items())]
    families = dict.fromkeys(range(4), 7)
    [place] = collapse(range(4), families, dict(enumerate(chunks)))
    assert (place.row, place.also, place.older) == (1, ("a", "c", "d"), ("a",))
    [plain] = collapse([2, 0], families, dict(enumerate(chunks)))
    assert (plain.also, plain.older) == (("a",), ())


def test_other_words_and_one_document_keep_their_places() -> None:
    chunks = [chunk(1, "a", LEAVE), chunk(2, "b", OTHER), chunk(3, "a", LEAVE)]
    assert places(chunks, dict.fromkeys((1, 2, 3), 7)) == [(1, 1, ""), (2, 2, ""), (3, 3, "")]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=20))
def test_nothing_is_lost(items: list[tuple[int, int, bool]]) -> None:
    """Every candidate's document is shown or named, once a place, and ranks keep their order."""
    texts = (LEAVE, CHANGED, OTHER)
    chunks = [chunk(row, f"d{who}", texts[what]) for row, (who, what, _) in enumerate(items)]
    families = {row: 1 for row, (_, _, near) in enumerate(items) if near}
    twins = crowded(range(len(items)), families)
    found = collapse(range(len(items)), families, {row: chunks[row] for row in twins})
    assert [place.found for place in found] == sorted(place.found for place in found)
    seen = {name for place in found for name in (chunks[place.row].document, *place.also)}
    assert seen == {item.document for item in chunks}
    assert all(chunks[place.row].document not in place.also for place in found)


def document(days: int) -> str:
    return " ".join(SENTENCES) + f" Leave is {days} days a year."


def search(kb: Path, *groups: str) -> list[Passage]:
    base = KnowledgeBase.open(kb)
    retriever = Retriever(base, HashEmbedder(), RetrieveConfig())
    return retriever.retrieve("how many days of leave a year", frozenset(groups))


def test_versions_in_a_base(tmp_path: Path) -> None:
    kb, root = tmp_path / "kb", tmp_path / "docs"
    root.mkdir()
    for year, days in ((2022, 20), (2024, 24), (2023, 22)):
        text = f"---\ndate: {year}-01-01\n---\n{document(days)}"
        (root / f"{year}.md").write_text(text)
    ingest([root], kb, HashEmbedder())
    best = search(kb)[0]
    assert Path(best.document).name == "2024.md"
    assert {Path(name).name for name in best.also} == {"2022.md", "2023.md"}
    assert passage_json(best)["also"] == list(best.also)
    assert passage_json(best)["older"] == list(best.older)
    assert twins(best).startswith("newer version of ")
    at = Citation(best.document, best.path, best.page, best.start, best.end, best.text)
    assert version_note([best], at) == twins(best)
    assert version_note([best], replace(at, start=best.end, end=best.end + 1)) == ""
    texts = [passage.text for passage in search(kb)]
    assert sum("Leave is" in text for text in texts) == 1


def test_a_hidden_twin_is_never_named(tmp_path: Path) -> None:
    kb, root = tmp_path / "kb", tmp_path / "docs"
    root.mkdir()
    (root / "open.txt").write_text(document(20))
    (root / "hidden.txt").write_text(document(21))
    ingest([root / "open.txt"], kb, HashEmbedder())
    ingest([root / "hidden.txt"], kb, HashEmbedder(), groups=frozenset({"hr"}))
    assert [passage.also for passage in search(kb) if passage.also] == []
    assert {Path(passage.document).name for passage in search(kb)} == {"open.txt"}
    names = {Path(n).name for p in search(kb, "hr") for n in (p.document, *p.also)}
    assert names == {"open.txt", "hidden.txt"}
    assert any(passage.also for passage in search(kb, "hr"))
