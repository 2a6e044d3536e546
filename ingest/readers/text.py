"""From bytes to text, and what every reader of text needs to know of it."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath

import chardet

from ingest.errors import UnreadableFile

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),  # U+FEFF stays as character 0, as Path.read_text() leaves it
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SAMPLE = 1 << 20


def clean(text: str) -> str:
    """Line ends as "\\n"; NUL and lone surrogates as U+FFFD, so that any store takes the text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSTORABLE.sub("\ufffd", text)


def decode(data: bytes, path: str) -> str:
    """Text of `data`: by its BOM, else strict UTF-8, else what chardet says.

    Raises UnreadableFile (empty, unsupported) when there is no text in it.
    """
    text = clean(_decode(data, path))
    if is_blank(text):
        raise UnreadableFile(path, "empty", "empty")
    return text


def is_blank(text: str) -> bool:
    """Whether there is nothing to read: white space and byte order marks only."""
    return not text.strip().strip("\ufeff").strip()


def _decode(data: bytes, path: str) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _guess(data, path)
    # UTF-16 without a BOM is valid UTF-8 full of NULs.
    return _guess(data, path) if text.count("\x00") * 100 > len(text) else text


def _guess(data: bytes, path: str) -> str:
    encoding = chardet.detect(data[:_SAMPLE])["encoding"]
    if encoding is None:
        raise UnreadableFile(path, "unsupported", "unsupported format: binary data, not text")
    try:
        return data.decode(encoding, errors="replace")
    except LookupError as error:
        raise UnreadableFile(path, "unsupported", f"unknown encoding {encoding}") from error


def body_start(text: str) -> int:
    """Where the text begins after a byte order mark."""
    return 1 if text.startswith("\ufeff") else 0


def stem(path: str) -> str:
    """The file's name without its suffix: the title of last resort."""
    return PurePath(path).stem or path
