"""What case files call documents, and what the knowledge base calls them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath

from ingest.store import KnowledgeBase
from ingest.types import DocumentRecord


class Names:
    """Resolves ids, paths and ends of paths to the knowledge base's own document ids."""

    def __init__(self, records: Iterable[DocumentRecord]) -> None:
        self._exact: dict[str, str] = {}
        self._by_name: defaultdict[str, list[tuple[PurePath, str]]] = defaultdict(list)
        for record in records:
            for path in record.paths:
                self._by_name[PurePath(path).name].append((PurePath(path), record.document))
                self._exact.setdefault(path, record.document)
            # An id outranks a path, and a corpus file's path names many documents.
            self._exact.update(dict.fromkeys(record.identities, record.document))

    @classmethod
    def of(cls, kb: Path) -> Names:
        """The names of a knowledge base's documents. Raises KnowledgeBaseError."""
        base = KnowledgeBase.open(kb)
        try:
            return cls(base.documents())
        finally:
            base.close()

    def resolve(self, name: str) -> str:
        """The document's id, or the name itself if no document is called so."""
        if name in self._exact:
            return self._exact[name]
        wanted = PurePath(name)
        ends = {
            document
            for path, document in self._by_name.get(wanted.name, ())
            if path.parts[-len(wanted.parts) :] == wanted.parts
        }
        return ends.pop() if len(ends) == 1 else name
