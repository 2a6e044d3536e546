"""The manifest of a knowledge base. Replacing it is the commit point of every change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ingest.errors import IncompatibleKnowledgeBase, KnowledgeBaseError, KnowledgeBaseMissing
from ingest.types import Embedder, IndexInfo

FORMAT = 2
# Format 1 knew exact search only and says nothing of an index.
READABLE = (1, 2)
NAME = "manifest.json"
DATABASE = "surefoot.db"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What readers may see: the rows of `generation` and its vector file.

    `previous` is the generation that a rollback returns to; `newest` is the highest number ever
    used, so that a number never means two things. `index` says how the vectors are searched;
    without it, exactly. `previous_index` is that of the generation before.
    """

    format: int
    generation: int
    previous: int | None
    newest: int
    embedder: str
    embedder_sha256: str
    dimension: int
    max_tokens: int
    documents: int
    chunks: int
    characters: int
    created: str
    updated: str
    index: IndexInfo | None = None
    previous_index: IndexInfo | None = None

    @property
    def searched(self) -> IndexInfo:
        """The index of this generation, also where an older program wrote the manifest."""
        return self.index or IndexInfo("flat", "auto", self.chunks, trained=self.chunks)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity of a manifest file: another stamp means another manifest."""

    inode: int
    size: int
    mtime_ns: int


def vectors_name(generation: int) -> str:
    """The vector file of a generation."""
    return f"vectors-{generation}.faiss"


def graph_name(generation: int) -> str:
    """The file beside it that finds near vectors without comparing all; none for exact search."""
    return f"graph-{generation}.faiss"


def read_stamp(directory: Path) -> Stamp:
    """Raises KnowledgeBaseMissing where there is no manifest."""
    try:
        status = os.stat(directory / NAME)  # noqa: PTH116  (called for every query)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KnowledgeBaseMissing(directory) from error
    except OSError as error:
        raise KnowledgeBaseError(directory, f"cannot be read: {error.strerror}") from error
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def read_manifest(directory: Path) -> Manifest:
    """Raises KnowledgeBaseMissing, IncompatibleKnowledgeBase, KnowledgeBaseError (damaged)."""
    try:
        loaded = json.loads((directory / NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KnowledgeBaseMissing(directory) from error
    except OSError as error:
        raise KnowledgeBaseError(directory, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise KnowledgeBaseError(directory, f"{NAME} is damaged: {error}") from error
    return _checked(directory, loaded)


def _checked(directory: Path, loaded: Any) -> Manifest:
    found = loaded.get("format") if isinstance(loaded, dict) else None
    if found is None:
        raise KnowledgeBaseError(directory, f"{NAME} is damaged: no format version")
    if found not in READABLE:
        raise IncompatibleKnowledgeBase(directory, "format version", str(found), str(FORMAT))
    try:
        manifest = _with_indexes(Manifest(**loaded))
    except TypeError as error:
        raise KnowledgeBaseError(directory, f"{NAME} is damaged: wrong fields") from error
    numbers = (manifest.generation, manifest.dimension, manifest.documents, manifest.chunks)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise KnowledgeBaseError(directory, f"{NAME} is damaged: wrong values")
    return manifest


def _with_indexes(manifest: Manifest) -> Manifest:
    """Raises TypeError where an index is described by other fields."""
    index, previous = (
        IndexInfo(**loaded) if isinstance(loaded, dict) else None
        for loaded in (manifest.index, manifest.previous_index)
    )
    return replace(manifest, index=index, previous_index=previous)


def check_embedder(directory: Path, manifest: Manifest, embedder: Embedder) -> None:
    """Raises IncompatibleKnowledgeBase where vectors of this embedder mean something else."""
    for what, found, expected in (
        ("embedder", manifest.embedder, embedder.name),
        ("embedder sha256", manifest.embedder_sha256, embedder.sha256),
        ("vector size", str(manifest.dimension), str(embedder.dimension)),
    ):
        if found != expected:
            raise IncompatibleKnowledgeBase(directory, what, found, expected)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically: after a crash there is the old one or the new one."""
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"
    with replacing(directory / NAME) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path`, flushed to disk, unless the body raises."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def sync(path: Path) -> None:
    """Flush a file or a directory entry to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
