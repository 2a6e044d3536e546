"""Chunk sizes compared: wider passages are the document's own text, and the table is honest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.bench import chunks
from evals.bench.texts import write_corpus
from ingest.build import ingest
from ingest.chunk import ChunkSettings
from ingest.errors import SurefootError
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import RetrieveConfig
from rag.retrieve import Retriever
from rag.types import Passage

EMBEDDER = HashEmbedder(64)
DOCUMENTS = 12


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus and retrieval cases to it, which have answers too."""
    files, cases = tmp_path / "corpus.jsonl", tmp_path / "cases.jsonl"
    rows = [
        {"id": f"q{n}", "query": text, "relevant": [f"d{n}"], "answers": [text.split()[-1][:-1]]}
        for n, text in enumerate(write_corpus(files, DOCUMENTS))
    ]
    cases.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return files, cases


@pytest.fixture
def base(corpus: tuple[Path, Path], tmp_path: Path) -> Iterator[KnowledgeBase]:
    kb = tmp_path / "kb"
    ingest([corpus[0]], kb, EMBEDDER, chunking=ChunkSettings(max_tokens=30, small_tokens=10))
    found = KnowledgeBase.open(kb)
    yield found
    found.close()


def test_a_wide_passage_is_the_text_of_its_document(base: KnowledgeBase) -> None:
    narrow = Retriever(base, EMBEDDER, RetrieveConfig(links=0)).retrieve("ferry crew", top=6)
    wide = Retriever(chunks.Wide(base), EMBEDDER, RetrieveConfig(links=0)).retrieve(
        "ferry crew", top=6
    )
    assert [p.document for p in wide] == [p.document for p in narrow]
    for small, large in zip(narrow, wide, strict=True):
        assert large.start <= small.start < small.end <= large.end
        assert large.text == base.document_text(large.document)[large.start : large.end]
    assert sum(len(p.text) for p in wide) > 1.5 * sum(len(p.text) for p in narrow)


def passage(document: str, start: int, text: str) -> Passage:
    return Passage(
        1, 1.0, 1.0, 0.0, document, document, "", (), None, start, start + len(text), text
    )


def letters(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


@pytest.mark.parametrize(
    ("passages", "tokens", "expected"),
    [
        ([], 5, ""),
        ([passage("a", 0, "abcd"), passage("b", 0, "efgh")], 8, "abcd\n\nefgh"),
        ([passage("a", 0, "abcd"), passage("b", 0, "efgh")], 6, "abcd\n\nef"),
        ([passage("a", 0, "abcd"), passage("b", 0, "efgh")], 4, "abcd"),
        ([passage("a", 0, "abcd"), passage("a", 1, "bc"), passage("b", 1, "bc")], 9, "abcd\n\nbc"),
    ],
)
def test_what_is_shown_first(passages: list[Passage], tokens: int, expected: str) -> None:
    assert chunks.beginning(passages, letters, tokens) == expected


@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=6), st.integers(1, 30))
def test_no_more_is_shown_than_there_is_room_for(texts: list[str], tokens: int) -> None:
    passages = [passage(f"d{number}", 0, text) for number, text in enumerate(texts)]
    shown = chunks.beginning(passages, letters, tokens).replace("\n", "")
    assert len(shown) == min(tokens, sum(map(len, texts)))


@pytest.fixture
def fake_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "open_bulk_embedder", lambda: EMBEDDER)
    monkeypatch.setattr("rag.assemble.open_plain_embedder", lambda: EMBEDDER)


@pytest.mark.usefixtures("fake_embedder")
def test_the_table_has_a_line_a_setting(corpus: tuple[Path, Path]) -> None:
    files, cases = corpus
    said: list[str] = []
    head, rule, *rows, _, facts = chunks.run([files], cases, cases, [32, 240], said.append)
    assert said == ["32 tokens", "200 tokens", "240 tokens"]
    names = [row.split("|")[1].strip() for row in rows]
    assert names == ["32", "32, with neighbours", "200 (shipped)", "240"]
    assert {line.count("|") for line in (head, rule, *rows)} == {9}
    assert "12 retrieval cases, 12 questions with answers" in facts
    assert rows[3].count("no evidence") == 2
    assert "less shipped" in head


@pytest.mark.usefixtures("fake_embedder")
def test_without_answers_nothing_is_said_of_them(corpus: tuple[Path, Path]) -> None:
    files, cases = corpus
    head, _, row, *_ = chunks.run([files], cases, None, [], lambda line: None)
    assert "answer in" not in head
    assert row.startswith("| 200 (shipped) |")


@pytest.mark.usefixtures("fake_embedder")
def test_a_file_that_fails_is_an_error(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(SurefootError, match=r"broken\.pdf"):
        chunks.run([corpus[0], broken], corpus[1], None, [], lambda line: None)
