"""The LangChain side of the ingest bench: same files, a question to each, and honest absence."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evals.bench import ingest as bench
from evals.bench.harness import Side
from evals.bench.sources import Asked, found, questions
from evals.bench.texts import write_notes
from ingest.langchain import LangchainEmbeddings
from ingest.testing import HashEmbedder

REAL = all(
    find_spec(name)
    for name in ("langchain_community", "langchain_huggingface", "langchain_text_splitters")
)


@dataclass
class FakeDocument:
    page_content: str
    metadata: dict[str, str]


class FakeLoader:
    def __init__(self, folder: str, glob: str, loader_cls: object) -> None:
        self._paths = sorted(Path(folder).glob(glob))

    def load(self) -> list[FakeDocument]:
        return [FakeDocument(path.read_text(), {"source": str(path)}) for path in self._paths]


class FakeSplitter:
    def __init__(self, chunk_size: int = 4000, chunk_overlap: int = 200) -> None:
        self._size = chunk_size
        self._overlap = chunk_overlap
        self._step = chunk_size - chunk_overlap

    def split_documents(self, documents: list[FakeDocument]) -> list[FakeDocument]:
        return [
            FakeDocument(d.page_content[start : start + self._size], d.metadata)
            for d in documents
            for start in range(0, max(1, len(d.page_content) - self._overlap), self._step)
        ]


class FakeFaiss:
    def __init__(self, documents: list[FakeDocument], embeddings: Any) -> None:
        self._documents = documents
        self._embeddings = embeddings
        self._vectors = np.array(embeddings.embed_documents([d.page_content for d in documents]))

    @classmethod
    def from_documents(cls, documents: list[FakeDocument], embeddings: Any) -> FakeFaiss:
        return cls(documents, embeddings)

    def save_local(self, folder: str) -> None:
        Path(folder).mkdir()
        np.save(Path(folder) / "index.npy", self._vectors)

    def similarity_search(self, question: str, k: int) -> list[FakeDocument]:
        scores = self._vectors @ np.array(self._embeddings.embed_query(question))
        return [self._documents[row] for row in np.argsort(-scores)[:k].tolist()]


def _fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The peer's file, over the real libraries where they are installed."""
    if not REAL:
        _fake(monkeypatch, "langchain_community")
        loaders = {"DirectoryLoader": FakeLoader, "TextLoader": object}
        _fake(monkeypatch, "langchain_community.document_loaders", **loaders)
        _fake(monkeypatch, "langchain_community.vectorstores", FAISS=FakeFaiss)
        _fake(monkeypatch, "langchain_huggingface", HuggingFaceEmbeddings=object)
        splitters = {"RecursiveCharacterTextSplitter": FakeSplitter}
        _fake(monkeypatch, "langchain_text_splitters", **splitters)
    from evals.bench.peers import langchain

    yield langchain
    # The next test may have other libraries under it.
    sys.modules.pop("evals.bench.peers.langchain", None)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    write_notes(tmp_path / "files", 6)
    return tmp_path / "files"


def test_every_file_is_asked_once_about_its_own_prose(notes: Path) -> None:
    asked = questions(notes)
    assert [question.file for question in asked] == sorted(path.name for path in notes.iterdir())
    assert asked == questions(notes)
    for question in asked:
        text = (notes / question.file).read_text(encoding="utf-8")
        title = re.findall(r"^# (.*)$", text, re.MULTILINE)[0]
        words = question.text.rstrip("?").split()
        assert title.split()[0] not in words
        assert " ".join(words[:3]) in text


def test_questions_reach_the_ends_of_files(tmp_path: Path) -> None:
    write_notes(tmp_path / "many", 60)
    places = []
    for question in questions(tmp_path / "many"):
        text = (tmp_path / "many" / question.file).read_text(encoding="utf-8")
        places.append(text.index(" ".join(question.text.split()[:3])) / len(text))
    assert min(places) < 0.2
    assert max(places) > 0.8


@pytest.mark.parametrize(
    ("ranked", "first", "among"),
    [
        (["a.md"], 1.0, 1.0),
        (["b.md", "a.md"], 0.0, 1.0),
        ([*["b.md"] * 10, "a.md"], 0.0, 0.0),
        ([], 0.0, 0.0),
    ],
)
def test_found_counts_files(ranked: list[str], first: float, among: float) -> None:
    shares = found(lambda question, top: ranked, [Asked("q", "a.md")])
    assert shares == {"source_is_first": first, "source_in_10": among}


def test_nothing_asked_has_no_share() -> None:
    assert found(lambda question, top: [], []) == {}


@pytest.mark.parametrize(("size", "overlap", "least"), [(None, None, 6), (400, 40, 24)])
def test_the_recipe_is_searchable_and_saved(
    peer: Any, notes: Path, tmp_path: Path, size: int | None, overlap: int | None, least: int
) -> None:
    recipe = peer.Recipe(LangchainEmbeddings(HashEmbedder(384)), size, overlap)
    store = recipe.ingest(notes, tmp_path / "saved")
    assert any((tmp_path / "saved").iterdir())
    assert store.chunks >= least
    assert found(store.search, questions(notes))["source_in_10"] > 0.5


def test_both_sides_have_the_same_figures(peer: Any, notes: Path, tmp_path: Path) -> None:
    embedder, asked = HashEmbedder(384), questions(notes)
    ours = bench._Ours(notes, tmp_path, embedder, asked)()
    recipe = peer.Recipe(LangchainEmbeddings(embedder))
    theirs = bench._Searched(recipe.ingest, notes, tmp_path / "peer", asked)()
    assert ours.figures["source_in_10"] == 1
    assert ours.figures.keys() - theirs.figures.keys() == {"second_ingest_s"}
    assert theirs.figures["files_per_s"] == pytest.approx(6 / theirs.seconds)
    assert not (tmp_path / "peer").exists()


@pytest.mark.parametrize("lacking", bench.LANGCHAIN)
def test_one_library_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacking: str
) -> None:
    known: Callable[[str], str | None] = lambda name: None if name == lacking else "1"  # noqa: E731
    monkeypatch.setattr(bench, "installed", known)
    sides: list[Side] = []
    (missing,) = bench._langchain(sides, tmp_path, tmp_path, tmp_path, [])
    assert missing.install.startswith("pip install langchain-")
    assert sides == []


@pytest.mark.models
@pytest.mark.skipif(not REAL, reason="the LangChain recipe is not installed")
def test_the_real_recipe_in_small(embedder_path: Path, notes: Path, tmp_path: Path) -> None:
    sides: list[Side] = []
    assert bench._langchain(sides, tmp_path, notes, embedder_path, questions(notes)) == ()
    default, tutorial = (side.run() for side in sides)
    assert default.figures["chunks_per_s"] > 0
    assert tutorial.figures["source_in_10"] > 0.8
