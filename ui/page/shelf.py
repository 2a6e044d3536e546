"""The documents that a reader may see, as a list and as example questions. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import PurePath

from evals.sample import DEMO, DOCUMENTS
from ingest.types import DocumentRecord

LISTED = 40
EXAMPLES = 3
_SAMPLE_SHARE = 0.8
_TITLE_WIDTH = 60


def visible(
    documents: Sequence[DocumentRecord], groups: frozenset[str]
) -> tuple[DocumentRecord, ...]:
    """Documents without groups or with one of `groups`, by title. A title is content, too."""
    allowed = [item for item in documents if not item.groups or item.groups & groups]
    return tuple(sorted(allowed, key=lambda item: (item.title.casefold(), item.path)))


def matching(documents: Sequence[DocumentRecord], wanted: str) -> tuple[DocumentRecord, ...]:
    """Documents whose title or file name holds every word of `wanted`."""
    words = wanted.casefold().split()
    return tuple(
        item
        for item in documents
        if all(word in f"{item.title} {PurePath(item.path).name}".casefold() for word in words)
    )


def examples(documents: Sequence[DocumentRecord]) -> tuple[str, ...]:
    """Three questions to begin with: the demo's for the sample documents, else from titles."""
    sample = {path.name for path in DOCUMENTS.rglob("*") if path.is_file()}
    names = {PurePath(path).name for item in documents for path in (item.path, *item.paths)}
    if sample and len(sample & names) >= _SAMPLE_SHARE * len(sample):
        questions = json.loads(DEMO.read_text(encoding="utf-8"))["questions"]
        return tuple(item["question"] for item in questions)
    return by_title(documents)[:EXAMPLES]


def by_title(documents: Sequence[DocumentRecord]) -> tuple[str, ...]:
    """A question on each document whose title is short enough to name, the largest first."""
    largest = sorted(documents, key=lambda item: (-item.chunks, item.title))
    titles = dict.fromkeys(
        title for item in largest if 3 < len(title := " ".join(item.title.split())) <= _TITLE_WIDTH
    )
    return tuple(f"What does “{title}” say?" for title in titles)


def count(documents: Sequence[DocumentRecord]) -> str:
    """How many documents, in words."""
    return f"{len(documents):,} document{'' if len(documents) == 1 else 's'}"


def list_html(documents: Sequence[DocumentRecord]) -> str:
    """The list of documents; a long one ends with how many more there are."""
    if not documents:
        return '<p class="sf-quiet">No document by that name.</p>'
    rows = "".join(_row(item) for item in documents[:LISTED])
    rest = len(documents) - LISTED
    more = f'<p class="sf-quiet">and {rest:,} more; search to find them</p>' if rest > 0 else ""
    return f'<ul class="sf-shelf">{rows}</ul>{more}'


def when(stamp: str) -> str:
    """A time of the knowledge base for people; what is no ISO time is given back as it is."""
    try:
        return datetime.fromisoformat(stamp).strftime("%d %b %Y, %H:%M")
    except ValueError:
        return stamp


def _row(item: DocumentRecord) -> str:
    count = f"{item.chunks} chunk{'' if item.chunks == 1 else 's'}"
    facts = " · ".join([PurePath(item.path).name, count, *sorted(item.groups)])
    return f"<li><b>{escape(item.title)}</b><span>{escape(facts)}</span></li>"
