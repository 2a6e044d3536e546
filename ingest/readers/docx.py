"""Word documents by mammoth to HTML, then the HTML walker. DOCX holds no true page numbers."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace

import mammoth
from selectolax.lexbor import LexborHTMLParser

from ingest.errors import UnreadableFile
from ingest.readers.html import from_tree
from ingest.readers.text import clean
from ingest.types import ParsedDocument

_CORE = "docProps/core.xml"
_FIELD = re.compile(r"<dc:(title|creator|subject)\b[^<>]*>([^<]+)</dc:")
_NAMES = {"title": "title", "creator": "author", "subject": "subject"}
_BACKLINK = "↑"  # mammoth's way back from a note


def read_docx(data: bytes, path: str) -> ParsedDocument:
    """A Word document. Raises UnreadableFile (encrypted, corrupt, empty)."""
    metadata = _core_properties(data, path)
    page = mammoth.convert_to_html(
        io.BytesIO(data), convert_image=mammoth.images.img_element(_no_image)
    ).value
    parsed = from_tree(LexborHTMLParser(page.replace(_BACKLINK, "")), path)
    title = metadata.get("title") or parsed.title
    return replace(parsed, title=title, metadata=metadata)


def _no_image(_: object) -> Mapping[str, str]:
    return {}


def _core_properties(data: bytes, path: str) -> dict[str, str]:
    """Title, author and subject; the file must at least be a zip with a directory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            raw = archive.read(_CORE) if _CORE in names else b""
    except zipfile.BadZipFile as error:
        raise UnreadableFile(path, "corrupt", f"corrupt DOCX: {error}") from error
    if "word/document.xml" not in names and "[Content_Types].xml" not in names:
        raise UnreadableFile(path, "corrupt", "corrupt DOCX: no document inside")
    # Three flat elements: a pattern reads them and knows no entities of the file's own to expand.
    found: dict[str, str] = {}
    for match in _FIELD.finditer(raw.decode("utf-8", errors="replace")):
        value = " ".join(clean(html.unescape(match[2])).split())
        if value:
            found[_NAMES[match[1]]] = value
    return found
