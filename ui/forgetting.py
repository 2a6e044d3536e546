"""Forgetting a document for somebody: only what they may see, and only for all who may see it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ingest.errors import SurefootError
from ingest.forget import Forgotten, forget
from ingest.selection import Selection
from ingest.types import DocumentRecord
from ui.commands.kb_forget import places
from ui.uploads import UPLOADS, remove_files


class NotYours(SurefootError):
    """A document that others may see too, whose groups somebody does not all hold."""


def preview(
    kb: Path, seen: Iterable[DocumentRecord], groups: frozenset[str], document: str
) -> Forgotten:
    """What would go. `seen` are the documents that somebody in `groups` may see.

    It goes for all its readers, so whoever forgets it must be in every group of theirs. Raises
    NotYours, UnknownDocument, KnowledgeBaseError.
    """
    mine = {record.document: record for record in seen}
    found = forget(kb, Selection((document,)), places(kb), dry_run=True)
    if not all(name in mine and mine[name].groups <= groups for name in found.documents):
        raise NotYours("others than your groups may see it too; its keeper can forget it")
    return found


def forget_for(
    kb: Path, seen: Iterable[DocumentRecord], groups: frozenset[str], document: str
) -> Forgotten:
    """Forget it for good, with its file if that was sent to the base. Raises as `preview`."""
    mine = {record.document: record for record in seen}
    meant = preview(kb, mine.values(), groups, document)
    done = forget(kb, Selection((document,)), places(kb))
    paths = [path for name in meant.documents for path in mine[name].paths]
    remove_files(kb / UPLOADS, paths)
    return done
