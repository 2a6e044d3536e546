"""What the documents that a policy names tell everyone: it is public, and no leak.

The company's own phone number stands on its contact page. A document that is kept for some groups
makes nothing public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from rag.errors import ConfigError, SurefootError
from rag.safety.lists import Values
from rag.types import Finding, Stage

if TYPE_CHECKING:
    from ingest.types import DocumentRecord

MOST_CHARACTERS = 2_000_000
_PIECE = 4_000

Pairs = tuple[tuple[str, str], ...]
Find = Callable[[str, Stage], Sequence[Finding]]


class Shelf(Protocol):
    """The part of a knowledge base that is read here."""

    def documents(self) -> list[DocumentRecord]: ...

    def document_text(self, document: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base, and a stamp that is another one after every change of it."""

    shelf: Shelf
    stamp: Callable[[], str]


class PublicData:
    """The personal data in documents whose path ends like one of `globs`, found by `find`.

    Read at once, and again after each change of the base, where only new documents are searched.
    Raises ConfigError where the documents hold over MOST_CHARACTERS. Safe to share by threads.
    """

    def __init__(self, base: Base, globs: Sequence[str], find: Find) -> None:
        self._base = base
        self._globs = tuple(globs)
        self._find = find
        self._lock = Lock()
        self._found: dict[tuple[str, str], Pairs] = {}
        self._stamp = ""
        self._values = Values(())
        self._current()

    def allows(self, label: str, raw: str) -> bool:
        """True if `raw` was found as `label` in one of the documents, however it is written."""
        return (label, raw) in self._current()

    def epoch(self) -> str:
        """Another one when `allows` may say something else."""
        try:
            return self._base.stamp()
        except SurefootError:
            # `allows` will raise it, where a failure blocks.
            return "gone"

    def _current(self) -> Values:
        with self._lock:
            stamp = self._base.stamp()
            if stamp != self._stamp:
                self._found = self._read()
                self._values = Values(pair for pairs in self._found.values() for pair in pairs)
                self._stamp = stamp
            return self._values

    def _read(self) -> dict[tuple[str, str], Pairs]:
        records = [record for record in self._base.shelf.documents() if self._is_public(record)]
        characters = sum(record.characters for record in records)
        if characters > MOST_CHARACTERS:
            problem = (
                f"[allow] documents names {len(records)} documents with {characters:,} characters; "
                f"{MOST_CHARACTERS:,} are the most"
            )
            raise ConfigError("guard.policy", problem)
        found: dict[tuple[str, str], Pairs] = {}
        for record in records:
            key = (record.document, record.sha256)
            found[key] = self._found[key] if key in self._found else self._pairs(record)
        return found

    def _is_public(self, record: DocumentRecord) -> bool:
        names = {record.path, *record.paths, *record.identities}
        return not record.groups and any(
            PurePath(name).match(glob) for name in names for glob in self._globs
        )

    def _pairs(self, record: DocumentRecord) -> Pairs:
        text = self._base.shelf.document_text(record.document)
        return tuple(
            (finding.label, piece[finding.start : finding.end])
            for piece in _pieces(text)
            for finding in self._find(piece, "passage")
        )


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of whole paragraphs, which a filter of names can bear."""
    piece = ""
    for paragraph in text.split("\n\n"):
        if piece and len(piece) + len(paragraph) > _PIECE:
            yield piece
            piece = ""
        piece += paragraph + "\n\n"
    yield piece
