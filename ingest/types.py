"""What ingestion passes around: parsed documents, chunks, records, reports. All frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def unit(vectors: Vectors) -> Vectors:
    """The vectors along the last axis, each of length one; of length zero where it was zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


SectionKind = Literal["prose", "table", "code", "list"]
IndexKind = Literal["flat", "hnsw", "ivf"]
IndexChoice = Literal["auto", "flat", "hnsw", "ivf"]


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
    file with line ends as "\\n", nothing else changed. Tables and JSON are put into lines that
    name their columns or keys. `groups` are those that the document itself names as the ones that
    may see it; None where it does not say.
    """

    text: str
    title: str
    sections: tuple[Section, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] | None = None


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
    """A chunk as it lies in the knowledge base. `row` is its number there (vector id).

    `date` is the one that its document gives itself, ISO 8601 in UTC; "" where there is none.
    """

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
    date: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: a chunk's row and its score (cosine, or BM25 with larger = better)."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document of the knowledge base. `paths` holds every path with this very content.

    `identities` are all ids that it was given: lines of a corpus may hold the same text twice.
    `near` names documents with almost the same text, at most 100 of the `near_count` there are.
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
    near: tuple[str, ...] = ()
    near_count: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A file (or corpus line) that was met and could not be ingested, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withheld(Failure):
    """A document that nobody may see, because it cannot be told who may.

    What the base holds of it goes: an earlier state of it may be more open than is meant now.
    `identity` is what it is known by, where that is not its path.
    """

    identity: str = ""


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


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """How the vectors of a generation are searched, and how well that was when it was built.

    `choice` is what was asked for, `kind` what was made. `vectors` counts places in the file, of
    which `tombstones` belong to chunks that are gone; `trained` of them there were at the last
    build from nothing. `recall` is recall@10 against exact search over `queries` sampled questions;
    exact search has 1 by definition.
    """

    kind: IndexKind
    choice: IndexChoice
    vectors: int
    tombstones: int = 0
    trained: int = 0
    parameters: Mapping[str, int] = field(default_factory=dict)
    recall: float = 1.0
    queries: int = 0
    target: float = 0.97

    @property
    def holds(self) -> bool:
        """Whether the recall that was measured is the one aimed at."""
        return self.recall >= self.target


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
