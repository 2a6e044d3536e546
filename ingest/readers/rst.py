"""reStructuredText: headings by their underlines, text unchanged."""

from __future__ import annotations

import re

from ingest.groups import Groups
from ingest.readers.front import front_matter, read_groups
from ingest.readers.outline import Block, Heading, sections
from ingest.readers.text import decode, stem
from ingest.types import ParsedDocument, SectionKind

_RULE = re.compile(r"([!-/:-@[-`{-~])\1{2,}[ \t]*$")
_ROLE = re.compile(r"(?::[\w:.-]{1,40}:)?`{1,2}~?([^`<]+)(?:<[^`>]*>)?`{1,2}_*")
_MAX_TITLE = 500
_GRID = re.compile(r"[ \t]*(?:\+[-=+]+\+|\|.*\|)[ \t]*$")
_LIST = re.compile(r"(?:[-*+•]|\d{1,4}[.)]|#\.|[a-zA-Z][.)])[ \t]+\S")
_FIELD = re.compile(r":([A-Za-z][\w -]{0,40}):(?:[ \t]+(.*))?$")
_LITERAL = re.compile(r"\.\.\s+(?:code-block|code|sourcecode|parsed-literal|literalinclude)::")


def read_rst(data: bytes, path: str) -> ParsedDocument:
    """reStructuredText, text unchanged. The order in which underlines appear gives the levels."""
    text = decode(data, path)
    front = front_matter(text, path)
    start = front.start
    lines = text[start:].split("\n")
    offsets = _offsets(lines, start)
    found = _headings(lines, offsets)
    blocks = _blocks(lines, offsets, {heading.start for heading in found})
    title = next((heading.title for heading in found), "") or stem(path)
    fields = _fields(lines) | _docinfo(lines)
    groups = _groups(fields, front.groups, path)
    metadata = {**front.metadata, **fields}
    pep = "PEP" in metadata and "Title" in metadata
    title = f"PEP {metadata['PEP']}: {metadata['Title']}" if pep else metadata.get("title", title)
    cut = sections(found, blocks, start, len(text))
    return ParsedDocument(text, title, cut, metadata, groups)


def _offsets(lines: list[str], start: int) -> list[int]:
    offsets = []
    for line in lines:
        offsets.append(start)
        start += len(line) + 1
    return offsets


def _is_title(lines: list[str], at: int) -> bool:
    """Whether line `at` is a heading with an underline below it."""
    if at + 1 >= len(lines):
        return False
    title, under = lines[at].rstrip(), lines[at + 1].rstrip()
    if not title or _RULE.match(title) or not _RULE.match(under):
        return False
    over = at > 0 and lines[at - 1].rstrip() == under
    if title[0] in " \t" and not over:
        return False
    fresh = over or at == 0 or not lines[at - 1].strip()
    return fresh and len(under) >= min(len(title), 4)


def _headings(lines: list[str], offsets: list[int]) -> list[Heading]:
    styles: list[tuple[str, bool]] = []
    found: list[Heading] = []
    for at, line in enumerate(lines):
        if not _is_title(lines, at):
            continue
        under = lines[at + 1].rstrip()
        over = at > 0 and lines[at - 1].rstrip() == under
        style = (under[0], over)
        if style not in styles:
            styles.append(style)
        start = offsets[at - 1] if over else offsets[at]
        found.append(Heading(start, styles.index(style) + 1, _plain(line)))
    return found


def _plain(title: str) -> str:
    # Cut first: a hostile line of backticks would keep the pattern busy.
    return " ".join(_ROLE.sub(r"\1", title.strip()[:_MAX_TITLE]).split())


def _blocks(lines: list[str], offsets: list[int], heads: set[int]) -> list[Block]:
    """Literal blocks as code, grid tables as tables, bullet lists as lists."""
    found: list[Block] = []
    kind: SectionKind = "prose"
    literal = False
    for line, start in zip(lines, offsets, strict=True):
        if start in heads:
            kind, literal = "prose", False
        if not line.strip():
            continue
        indented = line[0] in " \t"
        literal = literal and indented
        now = _kind(line, kind, literal, indented)
        if now != kind:
            found.append(Block(start, now))
            kind = now
        opens = line.rstrip().endswith("::") and not line.lstrip().startswith("..")
        literal = literal or opens or _LITERAL.match(line) is not None
    return found


def _kind(line: str, before: SectionKind, literal: bool, indented: bool) -> SectionKind:
    if literal:
        return "code"
    if _GRID.match(line):
        return "table"
    if _LIST.match(line):
        return "list"
    return before if indented and before == "list" else "prose"


def _fields(lines: list[str]) -> dict[str, str]:
    """The `Name: value` lines that open a PEP and files in its manner."""
    found: dict[str, str] = {}
    for line in lines[:40]:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Z][\w-]{1,30}", name) or not value.startswith(" "):
            break
        found[name] = value.strip()
    return found


def _docinfo(lines: list[str]) -> dict[str, str]:
    """The field list that opens a document, above or right below its title."""
    found: dict[str, str] = {}
    for at, line in enumerate(lines[:60]):
        if field := _FIELD.match(line):
            found[field[1].lower()] = (field[2] or "").strip()
        elif _ends_fields(lines, at, begun=bool(found)):
            break
    return found


def _ends_fields(lines: list[str], at: int, begun: bool) -> bool:
    """Whether a line that is no field is no title above the fields nor the rest of one either."""
    if begun:
        return not lines[at].startswith((" ", "\t"))
    return bool(lines[at].strip()) and not _is_head(lines, at)


def _is_head(lines: list[str], at: int) -> bool:
    return bool(_RULE.match(lines[at].rstrip())) or _is_title(lines, at)


def _groups(fields: dict[str, str], front: Groups | None, path: str) -> Groups | None:
    """Those of the front matter, else of a `groups` field: names with commas between."""
    said = fields.pop("groups", None)
    if front is not None or said is None:
        return front
    return read_groups([name.strip() for name in said.split(",")], path)
