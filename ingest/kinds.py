"""What a file is, told from its bytes first and its name last, because suffixes lie."""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from pathlib import Path, PurePath
from typing import IO

import chardet

from ingest.files import open_regular

HEAD = 65536
"""Bytes at the start of a file that are enough to tell plain kinds apart."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x7fELF", "elf"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_ZIP_PARTS = (
    ("word/", "docx"),
    ("ppt/", "pptx"),
    ("xl/workbook.bin", "xlsb"),
    ("xl/", "xlsx"),
    ("META-INF/container.xml", "epub"),
    ("META-INF/manifest.xml", "odt"),
)
# Without one of these, a folder called "word" is just a folder in a zip.
_PACKAGES = frozenset(
    {
        "[Content_Types].xml",
        "word/document.xml",
        "ppt/presentation.xml",
        "xl/workbook.xml",
        "META-INF/container.xml",
        "META-INF/manifest.xml",
    }
)
_ZIP_MIME = (
    ("opendocument.text", "odt"),
    ("opendocument.presentation", "odp"),
    ("opendocument.spreadsheet", "ods"),
    ("opendocument.graphics", "odg"),
    ("epub+zip", "epub"),
)
# Programs and the files of other makers' programs: what they hold are no documents.
_PROGRAM_NAMES = (
    "jar war ear apk aab xpi crx whl egg nupkg vsix vsdx pages key numbers sketch kmz 3mf xps"
)
_PROGRAMS = frozenset(_PROGRAM_NAMES.split())
_OLE_STREAMS = (
    ("EncryptedPackage", "encrypted office"),
    ("__substg1.0_", "msg"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
)
_MAIL_HEAD = 16384
_HEADER = re.compile(rb"^([!-9;-~]{1,80}):", re.MULTILINE)
# With the time that mailers write there: a letter may begin "From me to you" too.
_FROM_LINE = re.compile(
    rb"From [^\r\n]{0,500}\d:\d\d[^\r\n]{0,100}\r?\n(?:>From [^\r\n]*\r?\n)?[!-9;-~]{1,100}:"
)
_MAIL_NAMES = frozenset(
    (b"from", b"to", b"date", b"subject", b"message-id", b"received", b"mime-version")
)
_CODE = (
    ".py .pyi .js .mjs .ts .tsx .jsx .c .h .cc .cpp .hpp .java .kt .go .rs .rb .php .cs .swift"
    " .scala .sh .bash .zsh .ps1 .bat .sql .r .jl .lua .pl .yaml .yml .toml .ini .cfg"
    " .xml .css .scss .make .mk .cmake .dockerfile .proto .tf .ipynb"
)
_SUFFIXES = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx"), "markdown"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    ".json": "json",
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
    if _is_zip(head):
        return _zip_kind(io.BytesIO(data), head, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(data)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    mail = _mail_kind(head, name)
    if mail is not None:
        return mail
    return _text_kind(head, name) if looks_like_text(head) else None


def container_kind(path: Path) -> str | None:
    """ "zip", "eml" or "mbox" for a file that holds documents of their own. Raises OSError."""
    with open_regular(path) as file:
        head = file.read(HEAD)
        kind = _zip_kind(file, head, path.name) if _is_zip(head) else sniff(head, path.name)
    return kind if kind in ("zip", "eml", "mbox") else None


def may_be_container(head: bytes, name: str) -> bool:
    """Whether a file that begins like this may hold documents of their own; a quick look."""
    return _is_zip(head) or _mail_kind(head, name) is not None


def _is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _mail_kind(head: bytes, name: str) -> str | None:
    """Mail is told by its headers; what is encoded in its body need not look like text."""
    start = head[:_MAIL_HEAD].lstrip(b"\xef\xbb\xbf\r\n")
    suffix = PurePath(name).suffix.lower()
    if _FROM_LINE.match(start):
        return "mbox"
    if suffix in (".eml", ".mbox"):
        return suffix[1:] if start.startswith(b"From ") or _HEADER.match(start) else None
    if suffix not in ("", ".txt", ".msg", ".mail", ".mht", ".mhtml"):
        return None
    names = {
        found.lower() for found in _HEADER.findall(re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0])
    }
    mail = b"from" in names and len(names & _MAIL_NAMES) > 2
    return "eml" if mail and _HEADER.match(start) else None


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


def _zip_kind(file: IO[bytes], head: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        if "mimetype" in names and (kind := _mime_kind(head)):
            return kind
        if names and not _PACKAGES.intersection(names):
            return _archive_kind(name)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        # No readable directory: trust what the local headers or the name say, and let the
        # reader report the damage.
        names = [part for part, _ in _ZIP_PARTS if part.encode() in head]
    for part, kind in _ZIP_PARTS:
        if any(entry.startswith(part) for entry in names):
            return kind
    suffix = PurePath(name).suffix.lower().lstrip(".")
    known = {kind for _, kind in (*_ZIP_PARTS, *_ZIP_MIME)}
    return suffix if not names and suffix in known else _archive_kind(name)


def _archive_kind(name: str) -> str:
    suffix = PurePath(name).suffix.lower().lstrip(".")
    return suffix if suffix in _PROGRAMS else "zip"


def _mime_kind(data: bytes) -> str | None:
    # Formats that carry a `mimetype` entry store it first and uncompressed, unless zipped anew.
    head = data[:256].decode("latin-1")
    return next((kind for mark, kind in _ZIP_MIME if mark in head), None)


def _ole_kind(data: bytes) -> str:
    for stream, kind in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return kind
    return "ole"
