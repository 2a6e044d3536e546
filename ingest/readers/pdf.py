"""PDF by pypdfium2, page by page. The text is the pages joined by blank lines, tables as rows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.errors import UnreadableFile
from ingest.readers.outline import HeadingPath
from ingest.readers.pdf_fields import field_lines
from ingest.readers.pdf_rows import with_lines
from ingest.readers.pdf_tables import Table, blocks
from ingest.readers.text import clean, stem
from ingest.types import ParsedDocument, Section

_PASSWORD_ERROR = 4
_NO_PDF = b"no PDF"
_MIN_CHARACTERS_A_PAGE = 10
# PDFium marks a hyphen that only exists because the line ended.
_LINE_HYPHEN = re.compile("(.?)[\x02\ufffe](?:\r?\n)?(?=(.?))")
_NO_TITLES = frozenset({"untitled", "untitled document", "powerpoint presentation", "document1"})
_PROPERTIES = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "CreationDate": "created",
    "ModDate": "modified",
}


_LONG_SIDE = 2000
_MOST_SCALE = 4.0
_NO_TEXT = "no text layer (scanned pages or drawings)"
HINT = '; `--ocr` reads them, with the extra "ocr" installed'
"""What follows on a reason that OCR would do away with."""

Look = Callable[[npt.NDArray[np.uint8]], str]
"""Reads a picture: height, width, and blue, green, red."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page shows. `is_scan` where that is pictures with hardly a text."""

    blocks: tuple[str | Table, ...] = ()
    is_scan: bool = False
    by_ocr: bool = False
    is_broken: bool = False
    characters: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """One outline entry: its depth (0 is the top) and title."""

    level: int
    title: str


def read_pdf(data: bytes, path: str, look: Look | None = None) -> ParsedDocument:
    """A PDF: one section or more for each page, tables as such, outline titles as headings.

    Pages without a text layer are read by `look`, where it is given; the metadata say which
    (`ocr`, `ocr_pages`). Raises UnreadableFile (encrypted, corrupt, no_text_layer). Where others
    can be read, pages that cannot are listed as `unreadable_pages`, those that are nothing but
    pictures as `pages_without_text`.
    """
    document = _open(data, path)
    try:
        pages = [_page(document, index, look) for index in range(len(document))]
        whole = [page for page in pages if not page.is_broken]
        if not whole:
            raise UnreadableFile(path, "corrupt", "corrupt PDF: no page can be read")
        if not _has_text(whole):
            problem = _NO_TEXT + (", and OCR sees none" if look else HINT)
            raise UnreadableFile(path, "no_text_layer", problem)
        text, found = _assemble(pages, _outline(document), path)
        metadata = _metadata(document, pages)
        return ParsedDocument(text, metadata.get("title") or stem(path), found, metadata)
    finally:
        document.close()


def _has_text(pages: Sequence[_Page]) -> bool:
    seen = sum(page.characters for page in pages)
    # What was seen on a page by OCR counts, however little it is.
    return seen >= _MIN_CHARACTERS_A_PAGE * len(pages) or any(page.by_ocr for page in pages)


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


def _page(document: pdfium.PdfDocument, index: int, look: Look | None) -> _Page:
    try:
        page = document[index]
        try:
            return _with_ocr(page, _read(page), look)
        finally:
            page.close()
    except (pdfium.PdfiumError, UnicodeError):
        return _Page(is_broken=True)


def _read(page: pdfium.PdfPage) -> _Page:
    textpage = page.get_textpage()
    try:
        drawn = blocks(page, textpage, textpage.get_text_range())
    finally:
        textpage.close()
    parts: list[str | Table] = []
    for block in drawn:
        part = block if isinstance(block, Table) else _tidy(block)
        if part:
            parts.append(part)
    fields = "\n".join(field_lines(page))
    if fields and parts and isinstance(parts[-1], str):
        parts[-1] = f"{parts[-1]}\n\n{fields}"
    elif fields:
        parts.append(fields)
    # Control characters that some fonts map to are no sign of a text layer.
    seen = sum(sum(map(len, text.split())) for text in _texts(parts))
    is_scan = seen < _MIN_CHARACTERS_A_PAGE and _has_picture(page)
    return _Page(tuple(parts), is_scan, characters=seen)


def _texts(parts: Sequence[str | Table]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            yield from (cell for row in part.rows for cell in row)


def _has_picture(page: pdfium.PdfPage) -> bool:
    pictures = page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=4)
    return next(iter(pictures), None) is not None


def _with_ocr(page: pdfium.PdfPage, read: _Page, look: Look | None) -> _Page:
    """The page with what `look` sees on it, where its own text says nothing."""
    empty = pdfium_c.FPDFPage_CountObjects(page) == 0
    if look is None or empty or read.characters >= _MIN_CHARACTERS_A_PAGE:
        return read
    scale = min(_LONG_SIDE / max(*page.get_size(), 1.0), _MOST_SCALE)
    # Annotations are read as text already.
    bitmap = page.render(scale=scale, draw_annots=False)
    try:
        seen = _tidy(look(bitmap.to_numpy()[:, :, :3]))
    finally:
        bitmap.close()
    if not seen:
        return read
    return _Page((*read.blocks, seen), by_ocr=True, characters=read.characters + len(seen))


def _tidy(raw: str) -> str:
    lines = _plain(raw).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def _plain(raw: str) -> str:
    marked = "\x02" in raw or "\ufffe" in raw
    return clean(_LINE_HYPHEN.sub(_join, raw) if marked else raw)


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
    pages: Sequence[_Page], outline: Mapping[int, list[_Entry]], path: str
) -> tuple[str, tuple[Section, ...]]:
    headings, parts, found, offset = HeadingPath(), list[str](), list[Section](), 0
    lines = with_lines([page.blocks for page in pages], path, _plain)
    for index, (page, texts) in enumerate(zip(pages, lines, strict=True)):
        kinds = [isinstance(block, Table) for block in page.blocks]
        entries = list(outline.get(index, []))
        for section in _sections(texts or [""], kinds or [False], entries, headings):
            start, end = section.start + offset, section.end + offset
            found.append(replace(section, start=start, end=end, page=index + 1))
        whole = "\n\n".join(texts)
        parts.append(whole)
        offset += len(whole) + 2
    return "\n\n".join(parts), tuple(found)


def _sections(
    texts: Sequence[str], tables: Sequence[bool], entries: list[_Entry], headings: HeadingPath
) -> Iterator[Section]:
    """Those of one page, with its start as 0; `headings` is moved along and `entries` used up."""
    prose = ["" if table else text for text, table in zip(texts, tables, strict=True)]
    offset = 0
    for at, text in enumerate(texts):
        if tables[at]:
            yield Section(offset, offset + len(text), headings.titles, kind="table")
        else:
            for start, end in _cuts(text, entries, prose[at + 1 :], headings):
                if text[start:end].strip():
                    yield Section(offset + start, offset + end, headings.titles)
        offset += len(text) + 2
    for entry in entries:
        headings.enter(entry.level + 1, entry.title)


def _cuts(
    text: str, entries: list[_Entry], later: Sequence[str], headings: HeadingPath
) -> Iterator[tuple[int, int]]:
    """Stretches of a text between its outline titles; `headings` is moved along before each.

    Entries whose titles stand in `later` texts of the page are left for those.
    """
    start = 0
    while entries:
        at = _find_title(text, entries[0].title, start)
        if at < 0 and any(_find_title(other, entries[0].title, 0) >= 0 for other in later):
            break
        if at > start:
            yield start, at
            start = at
        entry = entries.pop(0)
        headings.enter(entry.level + 1, entry.title)
    yield start, len(text)


def _find_title(page: str, title: str, start: int) -> int:
    """Where a line of the page holds the title (numbering before it allowed), else -1."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    match = re.compile(rf"^[\dA-Z.\s]{{0,12}}{words}[ ]*$", re.MULTILINE).search(page, start)
    return match.start() if match is not None else -1


def _metadata(document: pdfium.PdfDocument, pages: Sequence[_Page]) -> dict[str, str]:
    found = {"pages": str(len(pages))}
    for name, key in _PROPERTIES.items():
        value = clean(document.get_metadata_value(name)).replace("\ufffd", "").strip()
        if value and value.lower() not in _NO_TITLES:
            found[key] = value
    lists = {
        "unreadable_pages": _numbers(page.is_broken for page in pages),
        "pages_without_text": _numbers(page.is_scan and not page.by_ocr for page in pages),
        "ocr_pages": _numbers(page.by_ocr for page in pages),
    }
    if lists["ocr_pages"]:
        found["ocr"] = "true"
    return found | {name: numbers for name, numbers in lists.items() if numbers}


def _numbers(flags: Iterable[bool]) -> str:
    return ", ".join(str(number) for number, flag in enumerate(flags, 1) if flag)
