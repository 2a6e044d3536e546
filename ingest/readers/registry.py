"""Which function reads which kind. Importing it loads every parser: workers do, the rest need not.

A new format is a file beside this one and a row in the table.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import PurePath

from ingest.errors import UnreadableFile
from ingest.kinds import sniff
from ingest.readers.border import check_unpacked_size
from ingest.readers.docx import read_docx
from ingest.readers.epub import read_epub
from ingest.readers.html import read_html
from ingest.readers.odt import read_odt
from ingest.readers.pdf import read_pdf
from ingest.readers.plain import PLAIN_READERS
from ingest.readers.pptx import read_pptx
from ingest.readers.xlsx import read_xlsx
from ingest.types import ParsedDocument

Reader = Callable[[bytes, str], ParsedDocument]

READERS: Mapping[str, Reader] = {
    **PLAIN_READERS,
    "html": read_html,
    "pdf": read_pdf,
    "docx": read_docx,
    "pptx": read_pptx,
    "xlsx": read_xlsx,
    **dict.fromkeys(("odt", "ods", "odp", "odg"), read_odt),
    "epub": read_epub,
}


def reader_for(kind: str | None, path: str) -> Reader:
    """The reader of a kind. Raises UnreadableFile (encrypted, unsupported) where there is none."""
    if kind is None:
        raise UnreadableFile(path, "unsupported", "unsupported format: binary data")
    if kind == "encrypted office":
        raise UnreadableFile(path, "encrypted", "encrypted: needs a password")
    reader = READERS.get(kind)
    if reader is None:
        raise UnreadableFile(path, "unsupported", f"unsupported format: {kind}")
    return reader


def read(data: bytes, path: str) -> ParsedDocument:
    """The whole of a file's bytes by the reader of their kind. Raises UnreadableFile."""
    if not data:
        raise UnreadableFile(path, "empty", "empty")
    if data.startswith(b"PK"):
        _check_archive(data, path)
    return reader_for(sniff(data, PurePath(path).name), path)(data, path)


def _check_archive(data: bytes, path: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_unpacked_size(archive, len(data), path)
    except zipfile.BadZipFile:
        # Nothing can be unpacked without a directory; the reader of its kind reports the damage.
        return
