"""Hybrid search as LangChain's tutorials have it: FAISS, BM25Retriever and EnsembleRetriever."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import Embeddings

from ingest.types import Vectors


class Ensemble:
    """Both retrievers with equal weights, `top` chunks from each; ranks are fused.

    Vectors of the texts, of shape (n, dimension), are given; questions are embedded.
    """

    def __init__(
        self, texts: Sequence[str], vectors: Vectors, embeddings: Embeddings, top: int
    ) -> None:
        names = [{"row": row} for row in range(len(texts))]
        pairs = list(zip(texts, vectors.tolist(), strict=True))
        near = FAISS.from_embeddings(pairs, embeddings, metadatas=names)
        words = BM25Retriever.from_texts(texts, metadatas=names, k=top)
        self._top = top
        self._retriever = EnsembleRetriever(
            retrievers=[near.as_retriever(search_kwargs={"k": top}), words],
            weights=[0.5, 0.5],
            id_key="row",
        )

    def search(self, query: str) -> list[int]:
        """Numbers of the best chunks."""
        found = self._retriever.invoke(query)[: self._top]
        return [int(document.metadata["row"]) for document in found]
