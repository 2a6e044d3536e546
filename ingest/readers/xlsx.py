"""Excel workbooks by openpyxl, streamed: each sheet a section, each row a line read alone."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Protocol

from openpyxl import load_workbook

from ingest.readers.flow import Flow
from ingest.readers.package import core_properties, open_package
from ingest.readers.sheet import Budget, SheetLines, row_of
from ingest.readers.text import clean, stem
from ingest.types import ParsedDocument

_MAX_ROWS = 1 << 20
"""As many as Excel has: a sheet that claims more is no reason to count to its end."""


class _Sheet(Protocol):
    title: str

    def reset_dimensions(self) -> None: ...

    def iter_rows(self, *, max_row: int, values_only: bool) -> Iterator[Sequence[object]]: ...


def read_xlsx(data: bytes, path: str) -> ParsedDocument:
    """A workbook, hidden sheets too: values as last computed, dates as ISO, no formulas.

    The sheet's name is its heading. Raises UnreadableFile (encrypted, corrupt, too_large).
    """
    with open_package(data, path, "XLSX") as archive:
        metadata = core_properties(archive)
    flow, budget = Flow(), Budget(path)
    with warnings.catch_warnings():
        # About styles and extensions, which hold no text.
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            _add(flow, sheet, budget)
        book.close()
    return ParsedDocument(flow.text, metadata.get("title") or stem(path), flow.sections, metadata)


def _add(flow: Flow, sheet: _Sheet, budget: Budget) -> None:
    # What a sheet says about its size may be wrong either way; only its rows count.
    sheet.reset_dimensions()
    lines = SheetLines(budget)
    for values in sheet.iter_rows(max_row=_MAX_ROWS, values_only=True):
        lines.add(row_of(map(_shown, values)) if values else {})
    text = lines.text()
    if text:
        flow.heading(1, clean(sheet.title))
        flow.block(text, "table")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return format(value, ".15g")
    if isinstance(value, datetime):
        whole_day = value.time() == time(0)
        return value.date().isoformat() if whole_day else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)
