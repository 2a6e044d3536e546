"""What ingestion passes around: parsed documents, chunks, records, reports. All frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

SectionKind = Literal["prose", "table", "code", "list"]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch `text[start:end]` of a document under one heading path, on one page."""

    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None
    kind: SectionKind = "prose"


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a reader makes of one file. Sections are ordered, do not overlap, and lie in `text`.

    `text` is what every offset in the project refers to. For plain-text formats it is the decoded
    file with line ends as "\\n", nothing else changed.
    """

    text: str
    title: str
    sections: tuple[Section, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text == document_text[start:end]`. `id` depends only on document content and position."""

    id: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    tokens: int


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as it lies in the knowledge base. `row` is its number there (vector id)."""

    row: int
    chunk_id: str
    document: str
    path: str
    title: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: a chunk's row and its score (cosine, or BM25 with larger = better)."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document of the knowledge base. `paths` holds every path with this very content.

    `identities` are all ids that it was given: lines of a corpus may hold the same text twice.
    """

    document: str
    path: str
    title: str
    chunks: int
    groups: frozenset[str]
    sha256: str
    bytes: int
    characters: int
    ingested_at: str
    paths: tuple[str, ...]
    identities: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file (or corpus line) that was met and could not be ingested, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """added + updated + unchanged + duplicates + len(failed) = the documents met."""

    added: int
    updated: int
    unchanged: int
    removed: int
    duplicates: int
    failed: tuple[Failure, ...]
    chunks: int
    seconds: float


class Embedder(Protocol):
    """Texts to unit vectors of shape (n, dimension), float32."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...
