"""PDF by pypdfium2, page by page. The text is the pages joined by blank lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pypdfium2 as pdfium

from ingest.errors import UnreadableFile
from ingest.readers.outline import HeadingPath
from ingest.readers.pdf_fields import field_lines
from ingest.readers.text import clean, stem
from ingest.types import ParsedDocument, Section

_PASSWORD_ERROR = 4
_NO_PDF = b"no PDF"
_MIN_CHARACTERS_A_PAGE = 10
# PDFium marks a hyphen that only exists because the line ended.
_LINE_HYPHEN = re.compile("(.?)[\x02\ufffe](?:\r?\n)?(?=(.?))")
_NO_TITLES = frozenset({"untitled", "untitled document", "powerpoint presentation", "document1"})
_SPACES = re.compile(r"\s+")
_PROPERTIES = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "CreationDate": "created",
    "ModDate": "modified",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One outline entry: its depth (0 is the top) and title."""

    level: int
    title: str


def read_pdf(data: bytes, path: str) -> ParsedDocument:
    """A PDF with a text layer: one section or more for each page, outline titles as headings.

    Raises UnreadableFile (encrypted, corrupt, no_text_layer). Pages that cannot be read, where
    others can, are listed in the metadata as `unreadable_pages`.
    """
    document = _open(data, path)
    try:
        pages, broken = _pages(document)
        if len(broken) == len(pages):
            raise UnreadableFile(path, "corrupt", "corrupt PDF: no page can be read")
        # Control characters that some fonts map to are no sign of a text layer.
        seen = sum(len(_SPACES.sub("", page)) for page in pages)
        if seen < _MIN_CHARACTERS_A_PAGE * (len(pages) - len(broken)):
            raise UnreadableFile(path, "no_text_layer", "no text layer (scanned pages or drawings)")
        text, found = _assemble(pages, _outline(document))
        metadata = _metadata(document, len(pages), broken)
        return ParsedDocument(text, metadata.get("title") or stem(path), found, metadata)
    finally:
        document.close()


def _open(data: bytes, path: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if _wants_password(data):
            raise UnreadableFile(path, "encrypted", "encrypted: needs a password") from error
        raise UnreadableFile(path, "corrupt", "corrupt PDF: it cannot be opened") from error


def _wants_password(data: bytes) -> bool:
    """Whether it is a password that a file which cannot be opened lacks."""
    # For some damage PDFium sets no error and tells that of a file before: it gets one to tell.
    return _problem(_NO_PDF) != _PASSWORD_ERROR and _problem(data) == _PASSWORD_ERROR


def _problem(data: bytes) -> int | None:
    """PDFium's number for why it cannot open this; None where it can, or has no number."""
    try:
        pdfium.PdfDocument(data).close()
    except pdfium.PdfiumError as error:
        return getattr(error, "err_code", None)
    return None


def _pages(document: pdfium.PdfDocument) -> tuple[list[str], list[int]]:
    """The text of each page, and the indices of those that failed."""
    pages: list[str] = []
    broken: list[int] = []
    for index in range(len(document)):
        try:
            pages.append(_page_text(document, index))
        except (pdfium.PdfiumError, UnicodeError):
            pages.append("")
            broken.append(index)
    return pages, broken


def _page_text(document: pdfium.PdfDocument, index: int) -> str:
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            raw: str = textpage.get_text_range()
        finally:
            textpage.close()
        fields = field_lines(page)
    finally:
        page.close()
    lines = clean(_LINE_HYPHEN.sub(_join, raw)).split("\n")
    drawn = "\n".join(line.rstrip() for line in lines).strip()
    return "\n\n".join(part for part in (drawn, "\n".join(fields)) if part)


def _join(match: re.Match[str]) -> str:
    # Between small letters the hyphen is the typesetter's; in "Anglo-" and "Saxon" it is not.
    before, after = match[1], match[2]
    return before if before.islower() and after.islower() else before + "-"


def _outline(document: pdfium.PdfDocument) -> Mapping[int, list[_Entry]]:
    """Outline entries by page index, in the outline's order."""
    entries: dict[int, list[_Entry]] = defaultdict(list)
    try:
        for bookmark in document.get_toc():
            target = bookmark.get_dest()
            index = target.get_index() if target is not None else None
            title = " ".join(clean(bookmark.get_title() or "").split())
            if index is not None and title:
                entries[index].append(_Entry(bookmark.level, title))
    except (pdfium.PdfiumError, UnicodeError):
        # A broken outline costs the headings after the break, not the text.
        return entries
    return entries


def _assemble(
    pages: list[str], outline: Mapping[int, list[_Entry]]
) -> tuple[str, tuple[Section, ...]]:
    path, parts, found, offset = HeadingPath(), list[str](), list[Section](), 0
    for index, page in enumerate(pages):
        for start, end in _cuts(page, outline.get(index, []), path):
            if page[start:end].strip():
                found.append(Section(offset + start, offset + end, path.titles, index + 1))
        parts.append(page)
        offset += len(page) + 2
    return "\n\n".join(parts), tuple(found)


def _cuts(page: str, entries: list[_Entry], path: HeadingPath) -> Iterator[tuple[int, int]]:
    """Stretches of a page between its outline titles; `path` is moved along before each."""
    start = 0
    for entry in entries:
        at = _find_title(page, entry.title, start)
        if at > start:
            yield start, at
            start = at
        path.enter(entry.level + 1, entry.title)
    yield start, len(page)


def _find_title(page: str, title: str, start: int) -> int:
    """Where a line of the page holds the title (numbering before it allowed), else -1."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    match = re.compile(rf"^[\dA-Z.\s]{{0,12}}{words}[ ]*$", re.MULTILINE).search(page, start)
    return match.start() if match is not None else -1


def _metadata(document: pdfium.PdfDocument, pages: int, broken: list[int]) -> dict[str, str]:
    found = {"pages": str(pages)}
    for name, key in _PROPERTIES.items():
        value = clean(document.get_metadata_value(name)).replace("\ufffd", "").strip()
        if value and value.lower() not in _NO_TITLES:
            found[key] = value
    if broken:
        found["unreadable_pages"] = ", ".join(str(index + 1) for index in broken)
    return found
