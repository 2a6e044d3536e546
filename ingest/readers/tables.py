"""Comma and tab separated values: every row as one line that names its columns."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from ingest.errors import UnreadableFile
from ingest.readers.text import body_start, decode, stem
from ingest.types import ParsedDocument, Section

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50
_SAMPLE_CHARACTERS = 64 << 10
_MAX_NAME = 100
_MAX_LINES_A_CELL = 200
_MAX_CHARACTERS = 512 << 20
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


def read_csv(data: bytes, path: str) -> ParsedDocument:
    """Values with whatever delimiter fits best. Raises UnreadableFile (empty, too_large)."""
    text = decode(data, path)
    return _read(text, _delimiter(text[body_start(text) :], ","), path)


def read_tsv(data: bytes, path: str) -> ParsedDocument:
    """Values with tabs between them, or with what fits better."""
    text = decode(data, path)
    return _read(text, _delimiter(text[body_start(text) :], "\t"), path)


def _read(text: str, delimiter: str, path: str) -> ParsedDocument:
    rows = _rows(text[body_start(text) :], delimiter)
    header = rows[0] if rows and _is_header(rows) else []
    names = [name[:_MAX_NAME] for name in header]
    lines = _lines(names, rows, path)
    whole = "\n".join(lines)
    metadata = {"columns": ", ".join(name for name in names if name)} if header else {}
    section = Section(0, len(whole), kind="table")
    return ParsedDocument(whole, stem(path), (section,) if whole else (), metadata)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows = list(_parsed(text, delimiter, csv.QUOTE_MINIMAL))
    if any("\n" in cell and cell.count("\n") > _MAX_LINES_A_CELL for row in rows for cell in row):
        # A quotation mark that is never closed swallows all that follows it.
        rows = list(_parsed(text, delimiter, csv.QUOTE_NONE))
    return [found for row in rows if any(found := [" ".join(cell.split()) for cell in row])]


def _parsed(text: str, delimiter: str, quoting: Literal[0, 3]) -> Iterator[list[str]]:
    # The limit of 131,072 characters a field is the module's, not the format's.
    csv.field_size_limit(sys.maxsize)
    lines = io.StringIO(text, newline="\n")
    return csv.reader(lines, delimiter=delimiter, quoting=quoting, skipinitialspace=True)


def _delimiter(text: str, usual: str) -> str:
    """The delimiter that gives most rows the same number of fields; `usual` where none does."""
    sample = text[:_SAMPLE_CHARACTERS]
    best, found = 0.0, usual
    for delimiter in (usual, *_DELIMITERS.replace(usual, "")):
        parsed = _parsed(sample, delimiter, csv.QUOTE_MINIMAL)
        widths = Counter(len(row) for row, _ in zip(parsed, range(_SAMPLE_ROWS), strict=False))
        # Of equal fits the one with more columns is right: text has commas in its cells too.
        fit = sum(
            (count + width / 1000) / max(widths.total(), 1)
            for width, count in widths.most_common(1)
            if width > 1
        )
        if fit > best:
            best, found = fit, delimiter
    return found


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: words, and perhaps years, above other rows."""
    cells = [cell for cell in rows[0] if cell]
    words = [cell for cell in cells if not _is_value(cell)]
    years = [cell for cell in cells if _YEAR.fullmatch(cell)]
    return len(rows) > 1 and bool(words) and len(words) + len(years) == len(cells)


def _is_value(cell: str) -> bool:
    letters = sum(map(str.isalpha, cell))
    return letters <= sum(map(str.isdigit, cell)) and any(map(str.isdigit, cell))


def _lines(names: Sequence[str], rows: Sequence[Sequence[str]], path: str) -> list[str]:
    found: list[str] = []
    size = 0
    if names:
        found.append(" | ".join(name for name in names if name))
    for row in rows[1:] if names else rows:
        line = _line(names, row)
        # Long names above many rows make a text far larger than the file.
        size += len(line)
        if size > _MAX_CHARACTERS:
            raise UnreadableFile(path, "too_large", "too large: too much text in its rows")
        found.append(line)
    return found


def _line(names: Sequence[str], row: Sequence[str]) -> str:
    cells = []
    for at, cell in enumerate(row):
        name = names[at] if at < len(names) else ""
        if cell:
            cells.append(f"{name}: {cell}" if name else cell)
    return " | ".join(cells)
