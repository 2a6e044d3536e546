"""The files that documents were read from: are they still what was read?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ingest.load import content_hash
from ingest.progress import Progress
from ingest.types import DocumentRecord


class Original(StrEnum):
    """What became of the file of a document. Within: it is one of several in its file."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"
    WITHIN = "within"


def glance(record: DocumentRecord) -> Original:
    """By its status alone, without a look inside: one that is newer counts as changed."""
    try:
        newer = Path(record.path).stat().st_mtime > _second(record.ingested_at)
    except OSError:
        return Original.GONE
    if not is_whole(record):
        return Original.WITHIN
    return Original.CHANGED if newer else Original.SAME


def look(record: DocumentRecord) -> Original:
    """By its bytes."""
    path = Path(record.path)
    if not is_whole(record):
        return Original.WITHIN if path.exists() else Original.GONE
    try:
        return Original.SAME if content_hash(path) == record.sha256 else Original.CHANGED
    except OSError:
        return Original.GONE


def look_at_all(
    records: Sequence[DocumentRecord], progress: Progress
) -> dict[Original, list[DocumentRecord]]:
    """Every one by its bytes, gathered by what became of its file."""
    found: dict[Original, list[DocumentRecord]] = {state: [] for state in Original}
    progress.start("read", len(records))
    for record in records:
        found[look(record)].append(record)
        progress.advance("read")
    return found


def is_whole(record: DocumentRecord) -> bool:
    """Whether the document is a file of its own, not a line or a member of one."""
    return record.document == record.path


def _second(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp() + 1.0
