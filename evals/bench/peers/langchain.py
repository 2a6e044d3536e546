"""The usual LangChain recipe: load, split recursively, embed with sentence-transformers, FAISS.

Every setting is the library's default, but for the size of chunks where it is given: the default of
4,000 characters is several times what the small embedders read, and they drop the rest unsaid.
`save_local` writes a pickle; nothing here reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter


def embeddings(model: Path) -> Any:
    """A model folder as LangChain's embeddings."""
    # The folder is at hand; nothing may be asked of a hub.
    settings = {"local_files_only": True}
    return HuggingFaceEmbeddings(model_name=str(model), model_kwargs=settings)


class Recipe:
    """The recipe over loaded `embeddings`. `size` and `overlap` of chunks are in characters."""

    def __init__(
        self, embeddings: Any, size: int | None = None, overlap: int | None = None
    ) -> None:
        self._embeddings = embeddings
        given = {"chunk_size": size, "chunk_overlap": overlap}
        chosen: Any = {name: value for name, value in given.items() if value is not None}
        self._splitter = RecursiveCharacterTextSplitter(**chosen)

    def ingest(self, files: Path, folder: Path) -> Store:
        """All Markdown files under `files`, searchable and saved in `folder`."""
        loader: Any = DirectoryLoader(str(files), glob="**/*.md", loader_cls=TextLoader)
        chunks = self._splitter.split_documents(loader.load())
        store = Store(FAISS.from_documents(chunks, self._embeddings), len(chunks))
        store.save(folder)
        return store


class Store:
    """What the recipe makes: its vector store with `chunks` chunks."""

    def __init__(self, store: Any, chunks: int) -> None:
        self._store = store
        self.chunks = chunks

    def save(self, folder: Path) -> None:
        self._store.save_local(str(folder))

    def search(self, question: str, top: int) -> list[str]:
        """Names of the files of the `top` nearest chunks, best first."""
        found = self._store.similarity_search(question, k=top)
        return [Path(document.metadata["source"]).name for document in found]
