"""The adaptors behave as langchain-core expects of any embeddings and any vector store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.langchain import LangchainEmbeddings, SurefootVectorStore
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

EMBEDDER = HashEmbedder()


@pytest.fixture
def store(run: Any, tree: Any, kb: Path) -> SurefootVectorStore:
    root = tree({"a/1.md": "# Winch\n\nOil is low.", "b/2.md": "# Pay\n\nOil money is secret."})
    run(root / "a")
    run(root / "b", groups=frozenset({"hr"}))
    return SurefootVectorStore(KnowledgeBase.open(kb), EMBEDDER)


def test_embeddings() -> None:
    adaptor = LangchainEmbeddings(EMBEDDER)
    rows = adaptor.embed_documents(["one", "two"])
    assert [len(row) for row in rows] == [32, 32]
    assert adaptor.embed_query("two") == rows[1]
    assert all(isinstance(value, float) for value in rows[0])
    assert np.isclose(np.linalg.norm(rows[0]), 1)
    assert adaptor.embed_documents([]) == []


def test_search(store: SurefootVectorStore) -> None:
    document = store.similarity_search("oil", k=4)[0]
    assert document.page_content == "# Winch\n\nOil is low."
    assert document.metadata["start"] == 0
    assert document.metadata["end"] == len(document.page_content)
    assert document.metadata["path"].endswith("1.md")
    assert document.id
    query = store.embeddings.embed_query("oil")
    assert store.similarity_search_by_vector(query, k=1) == [document]


def test_relevance_scores_lie_in_the_unit_interval(store: SurefootVectorStore) -> None:
    for _, score in store.similarity_search_with_relevance_scores("oil", k=4):
        assert 0 <= score <= 1


def test_retriever(store: SurefootVectorStore) -> None:
    found = store.as_retriever(search_kwargs={"k": 1}).invoke("oil")
    assert [document.metadata["title"] for document in found] == ["Winch"]


def test_groups(store: SurefootVectorStore, kb: Path) -> None:
    assert len(store.similarity_search("oil", k=4)) == 1
    insider = SurefootVectorStore(KnowledgeBase.open(kb), EMBEDDER, frozenset({"hr"}))
    assert len(insider.similarity_search("oil", k=4)) == 2


def test_it_does_not_write() -> None:
    with pytest.raises(NotImplementedError, match="ingest"):
        SurefootVectorStore.from_texts(["a"], LangchainEmbeddings(EMBEDDER))
