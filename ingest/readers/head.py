"""What the head of a page says about the page: author, dates, language."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from ingest.readers.text import clean

_KNOWN = (
    "author description keywords date dcterms.created dc.date dc.creator dc.language"
    " article:published_time article:modified_time article:author last-modified"
)
_NAMES = frozenset(_KNOWN.split())
_RENAMED = {"dcterms.created": "date", "last-modified": "modified"}
_MOST = 1000


def head_metadata(tree: LexborHTMLParser) -> dict[str, str]:
    """The metadata of a parsed page under the names that its `meta` elements have."""
    found: dict[str, str] = {}
    for meta in tree.css("head > meta"):
        attributes = meta.attributes
        name = (attributes.get("name") or attributes.get("property") or "").strip().lower()
        value = " ".join(clean(attributes.get("content") or "").split())[:_MOST]
        if name in _NAMES and value:
            found.setdefault(_RENAMED.get(name, name), value)
    root = tree.css_first("html", default=None)
    language = (root.attributes.get("lang") or "").strip() if root is not None else ""
    return {**found, "language": language} if language else found
