"""Which function reads which kind. Importing it loads every parser: workers do, the rest need not.

A new format is a file beside this one and a row in the table.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
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

_SEEN = frozenset({"pdf", "png", "jpeg", "tiff"})


def reader_for(kind: str | None, path: str, ocr: bool = False) -> Reader:
    """The reader of a kind. Raises UnreadableFile (encrypted, unsupported) where there is none."""
    if ocr and kind in _SEEN:
        return _seeing(kind)
    if kind is None:
        raise UnreadableFile(path, "unsupported", "unsupported format: binary data")
    if kind == "encrypted office":
        raise UnreadableFile(path, "encrypted", "encrypted: needs a password")
    reader = READERS.get(kind)
    if reader is None:
        raise UnreadableFile(path, "unsupported", f"unsupported format: {kind}")
    return reader


def _seeing(kind: str) -> Reader:
    """The reader of a kind that looks at pictures."""
    # Only who asks for OCR needs what only its extra brings.
    from ingest.readers.ocr import read_picture_text
    from ingest.readers.picture import read_picture

    return partial(read_pdf, look=read_picture_text) if kind == "pdf" else read_picture


def read(data: bytes, path: str, ocr: bool = False) -> ParsedDocument:
    """The whole of a file's bytes by the reader of their kind. Raises UnreadableFile.

    With `ocr` pictures of text are read too, as files and as pages of a PDF.
    """
    if not data:
        raise UnreadableFile(path, "empty", "empty")
    if data.startswith(b"PK"):
        _check_archive(data, path)
    return reader_for(sniff(data, PurePath(path).name), path, ocr)(data, path)


def _check_archive(data: bytes, path: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_unpacked_size(archive, len(data), path)
    except zipfile.BadZipFile:
        # Nothing can be unpacked without a directory; the reader of its kind reports the damage.
        return
