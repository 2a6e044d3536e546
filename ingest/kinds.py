"""What a file is, told from its bytes first and its name last, because suffixes lie."""

from __future__ import annotations

import codecs
import io
import zipfile
from pathlib import PurePath

import chardet

HEAD = 65536
"""Bytes at the start of a file that are enough to tell plain kinds apart."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"\x7fELF", "elf"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_ZIP_PARTS = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))
_ZIP_MIME = (
    ("opendocument.text", "odt"),
    ("opendocument.presentation", "odp"),
    ("opendocument.spreadsheet", "ods"),
    ("epub+zip", "epub"),
)
_OLE_STREAMS = (
    ("EncryptedPackage", "encrypted office"),
    ("__substg1.0_", "msg"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
)
_CODE = (
    ".py .pyi .js .mjs .ts .tsx .jsx .c .h .cc .cpp .hpp .java .kt .go .rs .rb .php .cs .swift"
    " .scala .sh .bash .zsh .ps1 .bat .sql .r .jl .lua .pl .json .yaml .yml .toml .ini .cfg"
    " .xml .css .scss .make .mk .cmake .dockerfile .proto .tf .ipynb"
)
_SUFFIXES = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx"), "markdown"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    ".csv": "csv",
    ".eml": "eml",
    ".mbox": "mbox",
    **dict.fromkeys(_CODE.split(), "code"),
}


def sniff(data: bytes, name: str) -> str | None:
    """The kind of a file with this content and name; None when it is binary and unknown.

    `data` is the whole file for zip formats, at least its first HEAD bytes for all others.
    """
    head = data[:HEAD]
    if _is_pdf(data, name):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(data)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if not looks_like_text(head):
        return None
    return _text_kind(head, name)


def _is_pdf(data: bytes, name: str) -> bool:
    # Readers of PDF accept up to a kilobyte of junk before the mark; a text about PDF files may
    # hold the mark too, but not what a PDF ends with.
    at = data.find(b"%PDF-", 0, 1024)
    if at < 0 or not data[:at].strip(b"\xef\xbb\xbf \t\r\n\x00"):
        return at >= 0
    return name.lower().endswith(".pdf") or b"startxref" in data[-2048:]


def looks_like_text(head: bytes) -> bool:
    """Whether these first bytes of a file decode to something a person could read."""
    if head.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head)
    except UnicodeDecodeError:
        return chardet.detect(head)["encoding"] is not None
    if b"\x00" in head and head.count(0) * 100 > len(head):
        return str(chardet.detect(head)["encoding"]).lower().startswith(("utf-16", "utf-32"))
    strange = sum(head.count(code) for code in range(32) if code not in (9, 10, 12, 13, 27))
    return strange * 20 <= len(head)


def _text_kind(head: bytes, name: str) -> str:
    start = head[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if start.startswith(b"<?xml") and b"<html" in start:
        return "html"
    return _SUFFIXES.get(PurePath(name).suffix.lower(), "text")


def _zip_kind(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if "mimetype" in names:
                return _mime_kind(data)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        # No readable directory: trust what the local headers or the name say, and let the
        # reader report the damage.
        names = [part for part, _ in _ZIP_PARTS if part.encode() in data[:HEAD]]
    for part, kind in _ZIP_PARTS:
        if any(entry.startswith(part) for entry in names):
            return kind
    suffix = PurePath(name).suffix.lower().lstrip(".")
    known = {kind for _, kind in (*_ZIP_PARTS, *_ZIP_MIME)}
    return suffix if not names and suffix in known else "zip"


def _mime_kind(data: bytes) -> str:
    # The two formats that carry a `mimetype` entry store it first and uncompressed.
    head = data[:256].decode("latin-1")
    return next((kind for mark, kind in _ZIP_MIME if mark in head), "zip")


def _ole_kind(data: bytes) -> str:
    for stream, kind in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return kind
    return "ole"
