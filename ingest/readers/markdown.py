"""Markdown: a scan of its lines that knows fences, tables, lists, headings and front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.readers.front import front_matter
from ingest.readers.outline import Block, Heading, sections
from ingest.readers.text import body_start, decode, stem
from ingest.types import ParsedDocument, Section, SectionKind

_MAX_TITLE = 500
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_LIST = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_NOT_PARAGRAPH = re.compile(r"[ \t]*(?:[-*+>|#]|\d{1,9}[.)][ \t]|$)|(?: {4}|\t)")
_MARKUP = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"\{\{[<%].*?[%>]\}\}|\{[#:.][^}]*\}|<[^>]+>"), ""),
    (re.compile(r"(\*\*|__|`|\*)(.+?)\1"), r"\2"),
)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str


def read_markdown(data: bytes, path: str) -> ParsedDocument:
    """Markdown, text unchanged. Front matter becomes metadata and is not part of any section."""
    text = decode(data, path)
    front = front_matter(text, path)
    metadata, start = front.metadata, front.start
    headings, blocks = _scan(text, start)
    found = sections(headings, blocks, start, len(text))
    if not text[start:].strip():
        found = (Section(body_start(text), len(text)),)
    first = next((heading.title for heading in headings if heading.title), "")
    title = metadata.get("title") or first or stem(path)
    return ParsedDocument(text, title, found, metadata, front.groups)


def plain_title(title: str) -> str:
    """A heading without links, emphasis, anchors and shortcodes, cut at 500 characters."""
    # Uncut, a hostile line of brackets would keep the patterns busy for minutes.
    title = title.strip()[:_MAX_TITLE]
    for pattern, replacement in _MARKUP:
        title = pattern.sub(replacement, title)
    return " ".join(title.split())


def _atx_title(rest: str) -> str:
    """The title behind the opening `#`s: a closing run of them is no part of it."""
    title = rest.strip(" \t")
    bare = title.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else title


def _lines(text: str, start: int) -> Iterator[_Line]:
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield _Line(start, text[start:end])
        start = end + 1


class _Scan:
    """Headings and changes of kind, line by line."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        self._kind: SectionKind = "prose"
        self._fence = ""
        self._before: _Line | None = None

    def feed(self, line: _Line) -> None:
        if self._in_fence(line):
            return
        atx = _ATX.match(line.text)
        setext = _SETEXT.match(line.text) if self._before is not None else None
        if atx is not None:
            self._heading(line.start, len(atx[1]), _atx_title(line.text[atx.end() :]))
        elif setext is not None and self._before is not None:
            self._heading(self._before.start, 1 if setext[1][0] == "=" else 2, self._before.text)
        else:
            self._body(line)

    def _in_fence(self, line: _Line) -> bool:
        mark = _FENCE.match(line.text)
        if self._fence:
            closes = mark is not None and mark[1].startswith(self._fence) and not mark[2].strip()
            self._fence = "" if closes else self._fence
            return True
        if mark is None or (mark[1][0] == "`" and "`" in mark[2]):
            return False
        self._fence = mark[1]
        self._turn("code", line.start)
        self._before = None
        return True

    def _heading(self, start: int, level: int, title: str) -> None:
        self.headings.append(Heading(start, level, plain_title(title)))
        self._kind, self._before = "prose", None

    def _body(self, line: _Line) -> None:
        if not line.text.strip():
            self._before = None
            return
        if line.text.lstrip().startswith("|"):
            self._turn("table", line.start)
        elif _LIST.match(line.text):
            self._turn("list", line.start)
        elif not (self._kind == "list" and line.text[0] in " \t"):
            self._turn("prose", line.start)
        # Only the single line above an underline can be its heading: a longer paragraph would
        # be one in strict CommonMark, but there it is nearly always a missing blank line.
        is_first = self._before is None and not _NOT_PARAGRAPH.match(line.text)
        self._before = line if is_first else None

    def _turn(self, kind: SectionKind, start: int) -> None:
        if kind != self._kind:
            self.blocks.append(Block(start, kind))
            self._kind = kind


def _scan(text: str, start: int) -> tuple[list[Heading], list[Block]]:
    scan = _Scan()
    for line in _lines(text, start):
        scan.feed(line)
    return scan.headings, scan.blocks
