"""Word documents by mammoth to HTML, then the HTML walker. DOCX holds no true page numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import mammoth
from selectolax.lexbor import LexborHTMLParser

from ingest.errors import UnreadableFile
from ingest.readers.html import from_tree
from ingest.readers.package import core_properties, open_package
from ingest.types import ParsedDocument

_BACKLINK = "↑"  # mammoth's way back from a note


def read_docx(data: bytes, path: str) -> ParsedDocument:
    """A Word document. Raises UnreadableFile (encrypted, corrupt, empty)."""
    metadata = _checked(data, path)
    page = mammoth.convert_to_html(
        io.BytesIO(data), convert_image=mammoth.images.img_element(_no_image)
    ).value
    parsed = from_tree(LexborHTMLParser(page.replace(_BACKLINK, "")), path)
    title = metadata.get("title") or parsed.title
    return replace(parsed, title=title, metadata=metadata)


def _no_image(_: object) -> Mapping[str, str]:
    return {}


def _checked(data: bytes, path: str) -> dict[str, str]:
    """The properties of a file that at least is a zip with a document in its directory."""
    with open_package(data, path, "DOCX") as archive:
        names = set(archive.namelist())
        if "word/document.xml" not in names and "[Content_Types].xml" not in names:
            raise UnreadableFile(path, "corrupt", "corrupt DOCX: no document inside")
        return core_properties(archive)
