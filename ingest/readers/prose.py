"""Plain text: the decoded file, unchanged."""

from __future__ import annotations

from ingest.readers.front import front_matter
from ingest.readers.text import body_start, decode, stem
from ingest.types import ParsedDocument, Section


def read_text(data: bytes, path: str) -> ParsedDocument:
    """Plain text as one section of prose. Front matter becomes metadata, as in Markdown."""
    text = decode(data, path)
    front = front_matter(text, path)
    start = front.start if text[front.start :].strip() else body_start(text)
    title = front.metadata.get("title") or stem(path)
    return ParsedDocument(text, title, (Section(start, len(text)),), front.metadata, front.groups)
