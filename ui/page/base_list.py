"""Which documents the list shows, in which order, in which words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from ingest.types import DocumentRecord
from ui.originals import Original
from ui.page.shelf import matching

PAGE = 50
EVERYONE = "Everyone"
_KEYS: dict[str, Callable[[DocumentRecord], Any]] = {
    "title": lambda item: item.title.casefold(),
    "readers": lambda item: sorted(item.groups),
    "size": lambda item: item.bytes,
    "chunks": lambda item: item.chunks,
    "added": lambda item: item.ingested_at,
}
COLUMNS = {
    "title": "Document",
    "readers": "Readers",
    "size": "Size",
    "chunks": "Chunks",
    "added": "Added",
}
_STATES = {Original.GONE: "file gone", Original.CHANGED: "file is newer"}


@dataclass(frozen=True, slots=True)
class View:
    """What is asked of the list. `group` and `kind` None stand for all; `number` counts from 0."""

    words: str = ""
    group: str | None = None
    kind: str | None = None
    sort: str = "title"
    down: bool = False
    number: int = 0

    def sorted_by(self, key: str) -> View:
        """By this column; what is sorted by it already turns round."""
        if key not in COLUMNS:
            return self
        turned = not self.down if key == self.sort else key in ("size", "chunks", "added")
        return replace(self, sort=key, down=turned, number=0)


def chosen(documents: Sequence[DocumentRecord], view: View) -> list[DocumentRecord]:
    """Those that the view is of, in its order."""
    found = [
        item
        for item in matching(documents, view.words)
        if (view.group is None or _seen_by(item, view.group))
        and (view.kind is None or kind(item) == view.kind)
    ]
    return sorted(found, key=_KEYS[view.sort], reverse=view.down)


def page_of(found: Sequence[DocumentRecord], number: int) -> tuple[int, Sequence[DocumentRecord]]:
    """The page of this number, or the last one there is."""
    last = max((len(found) - 1) // PAGE, 0)
    number = min(max(number, 0), last)
    return number, found[number * PAGE : (number + 1) * PAGE]


def row(item: DocumentRecord, state: Original) -> dict[str, str]:
    """A document as the table draws it."""
    return {
        "id": item.document,
        "title": item.title or PurePath(item.path).name,
        "file": PurePath(item.path).name,
        "readers": readers(item),
        "size": size(item.bytes),
        "chunks": f"{item.chunks:,}",
        "added": day(item.ingested_at),
        "state": _STATES.get(state, ""),
    }


def groups_of(documents: Iterable[DocumentRecord], mine: frozenset[str]) -> list[str]:
    """What the list may be narrowed to: groups of the reader that documents carry."""
    return sorted({group for item in documents for group in item.groups} & mine)


def kinds_of(documents: Iterable[DocumentRecord]) -> list[str]:
    """The kinds of files that there are."""
    return sorted({kind(item) for item in documents})


def kind(item: DocumentRecord) -> str:
    """The kind of a document's file: "PDF"."""
    return PurePath(item.path).suffix.lstrip(".").upper() or "no suffix"


def readers(item: DocumentRecord) -> str:
    """Who may see it."""
    return ", ".join(sorted(item.groups)) or EVERYONE


def size(count: float) -> str:
    """Bytes for people: "840 B", "12 kB", "3.4 MB"."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5 or unit == "GB":
            break
    return f"{count:.1f} {unit}" if count < 9.95 else f"{count:,.0f} {unit}"


def day(stamp: str) -> str:
    """The day of a time of the base."""
    return stamp[:10]


def _seen_by(item: DocumentRecord, group: str) -> bool:
    return not item.groups if group == EVERYONE else group in item.groups
