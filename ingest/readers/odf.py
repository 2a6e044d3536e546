"""The XML of OpenDocument content as a stream of events, turned into blocks of a Flow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ingest.readers.flow import NOTES, Flow, first_title
from ingest.readers.sheet import Budget, SheetLines
from ingest.readers.text import clean

_NAME = re.compile(r"\{urn:oasis:names:tc:opendocument:xmlns:([\w-]+)[^}]*\}(.+)")
# Deleted text that is kept for undoing, remarks at the margin, descriptions of pictures.
_SKIPPED = frozenset(
    {
        "text:tracked-changes",
        "office:annotation",
        "office:binary-data",
        "svg-compatible:title",
        "svg-compatible:desc",
    }
)
_CELLS = frozenset({"table:table-cell", "table:covered-table-cell"})
_PARAGRAPHS = frozenset({"text:p", "text:h"})
_GAPS = {"text:tab": " ", "text:s": " ", "text:line-break": "\n", "text:note-citation": " ["}
_MAX_COLUMNS = 1 << 14


@lru_cache(maxsize=1024)
def _short(tag: str) -> str:
    """As in "text:p", whichever version of the format the full name belongs to."""
    match = _NAME.fullmatch(tag)
    return f"{match[1]}:{match[2]}" if match is not None else tag


def _attribute(attributes: Mapping[str, str], name: str) -> str:
    return next((value for key, value in attributes.items() if _short(key) == name), "")


def _count(attributes: Mapping[str, str], name: str) -> int:
    value = _attribute(attributes, name)
    return int(value) if value.isdecimal() and len(value) < 10 else 1


@dataclass(slots=True)
class _Paragraph:
    """An open paragraph, or a heading when `level` is not 0."""

    level: int = 0
    text: list[str] = field(default_factory=list)

    def lines(self) -> str:
        lines = (" ".join(clean(line).split()) for line in "".join(self.text).split("\n"))
        return "\n".join(lines).strip()


@dataclass(slots=True)
class _Table:
    """An open table: where its rows and cells are. `cell` is None between cells."""

    name: str
    lines: SheetLines
    rows: list[str] = field(default_factory=list)
    row: dict[int, str] = field(default_factory=dict)
    column: int = 0
    times: int = 1
    wide: int = 1
    cell: list[str] | None = None
    iso: str = ""


class OdfWalker:
    """Takes the events of a `content.xml`. `flow` is the text; tables in cells are their text.

    `end` raises UnreadableFile (too_large) for tables whose repeated cells would fill memory.
    """

    def __init__(self, path: str) -> None:
        self.flow = Flow()
        self._budget = Budget(path)
        self._skipping = 0
        self._open: list[_Paragraph] = []
        self._later: list[str] = []
        self._mark = ""
        self._lists = 0
        self._marker = ""
        self._in_sheets = False
        self._table: _Table | None = None
        self._tables = 0
        self._frames: list[str] = []
        self._title: list[str] = []
        self._page = 0
        self._notes = False

    @property
    def title(self) -> str:
        """The first heading; the name of a sheet is none for the whole."""
        return "" if self._in_sheets else first_title(self.flow)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _short(tag)
        if self._skipping or name in _SKIPPED:
            self._skipping += 1
        elif name in _PARAGRAPHS:
            level = _count(attributes, "text:outline-level") if name == "text:h" else 0
            self._open.append(_Paragraph(level))
        elif name in _GAPS:
            self._write(_GAPS[name])
        elif name.startswith("table:"):
            self._start_table(name, attributes)
        elif name.startswith("text:"):
            self._start_list(name)
        else:
            self._start_frame(name, attributes)

    def end(self, tag: str) -> None:
        name = _short(tag)
        if self._skipping:
            self._skipping -= 1
        elif name in _PARAGRAPHS:
            self._place(self._open.pop())
        elif name == "text:note-citation" and self._open:
            self._write("]")
            self._mark = f"[{''.join(self._open[-1].text).rpartition(' [')[2]} "
        elif name == "text:list":
            self._lists -= 1
        elif name.startswith("table:"):
            self._end_table(name)
        elif name == "drawing:frame":
            self._end_frame()
        elif name == "presentation:notes":
            self._notes = False

    def data(self, text: str) -> None:
        if not self._skipping:
            self._write(text.replace("\n", " "))

    def close(self) -> None:
        """The end of the file."""

    def _write(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def _place(self, paragraph: _Paragraph) -> None:
        text = paragraph.lines()
        if self._table is not None and self._table.cell is not None:
            self._table.cell.append(text)
        elif self._frames and self._frames[-1] == "title":
            self._title.append(text)
        elif self._open:
            # A box or a note inside a paragraph comes after it.
            self._later.append(self._mark + text if text else "")
            self._mark = ""
        else:
            self._block(text, paragraph.level)
            for later in self._later:
                self._block(later, 0)
            self._later.clear()

    def _block(self, text: str, level: int) -> None:
        if not text:
            return
        if self._notes:
            self.flow.heading(2, NOTES)
            self._notes = False
        if level:
            self.flow.heading(level, text)
        elif self._lists:
            line = ("  " * (self._lists - 1)) + (self._marker or "  ") + text.replace("\n", " ")
            self.flow.block(line, "list", tight=self.flow.last_kind == "list")
            self._marker = ""
        else:
            self.flow.block(text)

    def _start_list(self, name: str) -> None:
        if name == "text:list":
            self._lists += 1
        elif name == "text:list-item":
            self._marker = "- "

    def _start_frame(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "office:spreadsheet":
            self._in_sheets = True
        elif name == "drawing:page":
            self._page += 1
            self.flow.turn(self._page)
        elif name == "drawing:frame":
            self._frames.append(_attribute(attributes, "presentation:class"))
        elif name == "presentation:notes":
            self._notes = True

    def _end_frame(self) -> None:
        if self._frames.pop() == "title":
            self.flow.heading(1, " ".join(self._title))
            self._title.clear()

    def _start_table(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "table:table":
            self._tables += 1
            if self._table is None:
                title = _attribute(attributes, "table:name")
                self._table = _Table(title, SheetLines(self._budget))
        elif self._table is None or self._tables > 1:
            return
        elif name == "table:table-row":
            self._table.row, self._table.column = {}, 0
            self._table.times = _count(attributes, "table:number-rows-repeated")
        elif name in _CELLS:
            self._table.cell = []
            self._table.wide = _count(attributes, "table:number-columns-repeated")
            self._table.iso = _attribute(attributes, "office:date-value") if self._in_sheets else ""

    def _end_table(self, name: str) -> None:
        table = self._table
        if name == "table:table":
            self._tables -= 1
            if not self._tables and table is not None:
                self._finish(table)
                self._table = None
        elif table is None or self._tables > 1:
            return
        elif name == "table:table-row":
            self._end_row(table)
        elif name in _CELLS:
            self._end_cell(table)

    def _end_cell(self, table: _Table) -> None:
        text = " ".join((table.iso or " ".join(table.cell or [])).split())
        if text:
            self._budget.check(table.wide, table.wide * len(text))
            table.row.update((table.column + at, text) for at in range(table.wide))
        table.column += table.wide
        table.cell = None

    def _end_row(self, table: _Table) -> None:
        if not self._in_sheets:
            cells = [table.row.get(at, "") for at in range(min(table.column, _MAX_COLUMNS))]
            table.rows.extend([" | ".join(cells)] if table.row else [])
        size = sum(map(len, table.row.values()))
        self._budget.check(table.times * len(table.row), table.times * size)
        for _ in range(table.times if table.row else 1):
            table.lines.add(table.row)

    def _finish(self, table: _Table) -> None:
        text = table.lines.text() if self._in_sheets else "\n".join(table.rows)
        if self._in_sheets and text:
            self.flow.heading(1, table.name)
        self.flow.block(text, "table")
