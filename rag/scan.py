"""Passages scanned before anyone asks: at the end of ingestion, and anew when a filter changes.

The base is committed by then. A scan that is stopped has kept what it has read, and the next one,
or the first question that meets a passage, goes on. A passage's title and headings are read too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ingest.manifest import Manifest, read_manifest
from ingest.passages import passages
from ingest.progress import SILENT, Progress
from ingest.quotes import Trail
from ingest.types import StoredChunk
from rag.safety.scans import Scans
from rag.types import Filter, Finding

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Suspect:
    """A document with sentences that a filter found, and in how many of its passages."""

    document: str
    title: str
    passages: int


@dataclass(frozen=True, slots=True)
class ScanReport:
    """`passages` there are; `read` were not known yet. `suspects` are among those read."""

    passages: int
    read: int
    suspects: tuple[Suspect, ...] = ()


def scan(
    directory: Path, finder: Filter, scans: Scans, version: str, progress: Progress = SILENT
) -> ScanReport:
    """Let `finder` read what it has not read yet of a base, and forget what is gone from it.

    Raises KnowledgeBaseError, and what the filter raises; what was read until then is kept.
    """
    manifest = read_manifest(directory)
    if scans.is_done(version, manifest.generation):
        return ScanReport(manifest.chunks, 0)
    scans.keep_only(_all_texts(directory, manifest))
    progress.start("scan", manifest.chunks)
    suspects: Counter[tuple[str, str]] = Counter()
    count = 0
    for batch in _batches(passages(directory, manifest)):
        read = _read(batch, finder, scans, version)
        scans.put(version, read.items())
        count += len(read)
        suspects.update(
            (chunk.document, chunk.title) for chunk in batch if any(map(read.get, _texts(chunk)))
        )
        progress.advance("scan", len(batch))
    scans.done(version, manifest.generation)
    found = (Suspect(*names, passages=n) for names, n in sorted(suspects.items()))
    return ScanReport(manifest.chunks, count, tuple(found))


class ForgottenScans:
    """What was found in passages, as a place that `ingest.forget` clears."""

    name = "scans"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Forget all texts but those that still answer. Raises KnowledgeBaseError.

        A row says nothing of its text, so a dry run, with all texts still there, counts none.
        """
        del trail
        if dry_run:
            return 0
        scans = Scans(self._directory)
        try:
            return scans.keep_only(_all_texts(self._directory, read_manifest(self._directory)))
        finally:
            scans.close()


def _batches(chunks: Iterator[StoredChunk]) -> Iterator[list[StoredChunk]]:
    while batch := list(islice(chunks, _AT_ONCE)):
        yield batch


def _read(
    chunks: Iterable[StoredChunk], finder: Filter, scans: Scans, version: str
) -> dict[str, Sequence[Finding]]:
    """What the filter finds in texts of these chunks that it has not read yet."""
    texts = dict.fromkeys(text for chunk in chunks for text in _texts(chunk))
    new = [text for text in texts if scans.get(version, text) is None]
    return {text: finder.find(text, "passage") for text in new}


def _texts(chunk: StoredChunk) -> Iterator[str]:
    """What the model may read of a chunk; blank where there is no title or heading."""
    return (text for text in (chunk.text, chunk.title, *chunk.headings) if text)


def _all_texts(directory: Path, manifest: Manifest) -> Iterator[str]:
    return (text for chunk in passages(directory, manifest) for text in _texts(chunk))
