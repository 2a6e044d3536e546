"""Our embedder and our store at langchain-core's seams, so that its retrievers can use them.

The vector store only reads: documents enter by `ingest.build.ingest`, which is transactional.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ingest.store import KnowledgeBase
from ingest.types import Embedder, Hit, StoredChunk, Vectors


class LangchainEmbeddings(Embeddings):
    """An `Embedder` as langchain-core `Embeddings`. Vectors are unit length."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        rows: list[list[float]] = self._embedder.embed(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class SurefootVectorStore(VectorStore):
    """A knowledge base as a langchain-core `VectorStore`, for one asker's groups.

    The metadata of a `Document` names the document, path, page and character offsets, so that a
    citation can be made from it; `id` is the chunk's id.
    """

    def __init__(
        self,
        knowledge_base: KnowledgeBase,
        embedder: Embedder,
        groups: frozenset[str] = frozenset(),
    ) -> None:
        self._base = knowledge_base
        self._embedder = embedder
        self._groups = groups

    @property
    def embeddings(self) -> Embeddings:
        return LangchainEmbeddings(self._embedder)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k nearest chunks that the asker may see, best first."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **_: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search`, each with its cosine."""
        return self._search(self._embedder.embed([query])[0], k)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **_: Any
    ) -> list[Document]:
        """The k chunks nearest to a unit vector."""
        return [document for document, _ in self._search(_vector(embedding), k)]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> SurefootVectorStore:
        """Always raises NotImplementedError: a base is made of files, by `ingest.build.ingest`."""
        raise NotImplementedError("a knowledge base is made by ingest.build.ingest, not from texts")

    def _search(self, vector: Vectors, k: int) -> list[tuple[Document, float]]:
        hits: Sequence[Hit] = self._base.dense(vector, k, self._groups)
        chunks = self._base.chunks([hit.row for hit in hits])
        return [(as_document(chunk), hit.score) for chunk, hit in zip(chunks, hits, strict=True)]

    def _select_relevance_score_fn(self) -> Any:
        # A cosine lies in [-1, 1]; langchain-core asks for [0, 1].
        return lambda cosine: (cosine + 1.0) / 2.0


def _vector(embedding: Sequence[float]) -> Vectors:
    return np.asarray(embedding, dtype=np.float32)


def as_document(chunk: StoredChunk) -> Document:
    """A chunk as a langchain-core document."""
    return Document(
        id=chunk.chunk_id,
        page_content=chunk.text,
        metadata={
            "document": chunk.document,
            "path": chunk.path,
            "title": chunk.title,
            "headings": list(chunk.headings),
            "page": chunk.page,
            "start": chunk.start,
            "end": chunk.end,
            "groups": sorted(chunk.groups),
        },
    )
