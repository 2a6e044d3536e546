"""JSON and JSON lines as lines that can be read: one for each value, with the path to it.

An array of objects is a table: one line for each, with its names. Long texts stand alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from ingest.readers.code import read_code
from ingest.readers.text import body_start, decode, stem
from ingest.types import ParsedDocument, Section, SectionKind

_LONG = 400
_ROW = 2000

Json = Mapping[str, "Json"] | list["Json"] | str | bool | None
"""Numbers stay as they are written: no digit of them is lost."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the text, under the top-level key `under`, and whether it is prose."""

    text: str
    under: str
    prose: bool = False


def read_json(data: bytes, path: str) -> ParsedDocument:
    """JSON as lines; what is nearly JSON, such as JSON with comments, as the text that it is."""
    text = decode(data, path)
    try:
        loaded = _load(text[body_start(text) :])
        lines = list(_lines(loaded, "", ""))
    except (ValueError, RecursionError):
        return read_code(data, path)
    return _document(lines, path, {}) if lines else read_code(data, path)


def read_json_lines(data: bytes, path: str) -> ParsedDocument:
    """Each line as a row of a table; a line that is no JSON stays as it is."""
    text = decode(data, path)
    lines = text[body_start(text) :].split("\n")
    rows = [row for line in lines if line.strip() for row in _row_of(line)]
    return _document(rows, path, {})


def _load(text: str) -> Json:
    loaded = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    return cast(Json, loaded)


def _row_of(line: str) -> Iterator[_Line]:
    try:
        yield from list(_element(_load(line), "", ""))
    except (ValueError, RecursionError):
        yield _Line(line, "")


def _lines(value: Json, at: str, under: str) -> Iterator[_Line]:
    """The lines of a value whose path is `at`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            nested = isinstance(inner, Mapping | list) and not at
            yield from _lines(inner, _joined(at, key), key if nested else under)
    elif isinstance(value, list) and not _is_plain(value):
        for inner in value:
            yield from _element(inner, at, under)
    else:
        yield _entry(at, _shown(value), under)


def _element(value: Json, at: str, under: str) -> Iterator[_Line]:
    """One element of an array: on one line where it fits, else a line for each value."""
    entries = list(_lines(value, "", ""))
    if any(entry.prose for entry in entries) or sum(len(entry.text) for entry in entries) > _ROW:
        for entry in entries:
            yield _Line(_prefixed(at, entry.text), under, entry.prose)
    elif entries:
        row = " | ".join(entry.text for entry in entries)
        yield _Line(_prefixed(at, row), under)


def _entry(at: str, shown: str, under: str) -> _Line:
    prose = len(shown) > _LONG or "\n" in shown.strip()
    return _Line(f"{at}: {shown}" if at else shown, under, prose)


def _prefixed(at: str, text: str) -> str:
    return f"{at}: {text}" if at else text


def _is_plain(values: list[Json]) -> bool:
    return all(not isinstance(value, Mapping | list) and len(_shown(value)) <= _LONG
               for value in values)  # fmt: skip


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(inner) for inner in value) if value else "[]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{}"
    return "null" if value is None else str(value)


def _joined(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _document(lines: list[_Line], path: str, metadata: Mapping[str, str]) -> ParsedDocument:
    """Consecutive lines of one kind under one key form a section."""
    name = stem(path)
    parts: list[str] = []
    found: list[Section] = []
    length = 0
    for line in lines:
        # Line ends within a value of a row would break the row.
        text = line.text if line.prose else " ".join(line.text.split("\n"))
        parts.append(text)
        kind: SectionKind = "prose" if line.prose else "table"
        headings = (name, line.under) if line.under else (name,)
        start, end = length, length + len(text)
        last = found[-1] if found else None
        if last is not None and (last.headings, last.kind) == (headings, kind):
            start = last.start
            found.pop()
        if end > start:
            found.append(Section(start, end, headings, kind=kind))
        length = end + 1
    return ParsedDocument("\n".join(parts), name, tuple(found), metadata)
