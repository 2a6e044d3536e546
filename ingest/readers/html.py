"""HTML by selectolax: decoded first, boilerplate dropped, headings, lists and tables kept.

The walk is iterative: pages with thousands of unclosed tags nest deeper than Python recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.errors import UnreadableFile
from ingest.readers.flow import Flow
from ingest.readers.front import front_matter
from ingest.readers.head import head_metadata
from ingest.readers.text import clean, decode, stem
from ingest.types import ParsedDocument

_DROPPED = (
    "script style noscript template svg head iframe object embed select button annotation"
    " annotation-xml"
)
_NEVER = frozenset(_DROPPED.split())
_BOILERPLATE = frozenset({"nav", "footer", "aside"})
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_BLOCK_TAGS = (
    "address article blockquote body caption center dd details dialog div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol p pre"
    " section summary table tbody td tfoot th thead tr ul"
)
_BLOCKS = frozenset(_BLOCK_TAGS.split())
# A table with these inside arranges a page, or holds code beside its line numbers.
_LAYOUT = "h1, h2, h3, h4, h5, h6, pre"
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
_INLINE_GAP = re.compile(r"[ \t\n\f\v\u00a0]+")


def read_html(data: bytes, path: str) -> ParsedDocument:
    """An HTML page as plain text. Raises UnreadableFile (empty) when nothing is left."""
    page = _decode(data, path)
    front = front_matter(page, path)
    tree = LexborHTMLParser(page[front.start :])
    parsed = from_tree(tree, path)
    metadata = {**head_metadata(tree), **front.metadata}
    title = front.metadata.get("title") or parsed.title
    return replace(parsed, title=title, metadata=metadata, groups=front.groups)


def from_tree(tree: LexborHTMLParser, path: str) -> ParsedDocument:
    """Sections of a parsed page; also what office formats that convert to HTML go through."""
    root = tree.body or tree.root
    flow = _walk(root, keep_boilerplate=False)
    if not flow.text:
        # A page that consists of a header or a sidebar only is still a document.
        flow = _walk(root, keep_boilerplate=True)
    if not flow.text:
        raise UnreadableFile(path, "empty", "empty")
    title = tree.css_first("head > title", default=None)
    named = " ".join(clean(title.text()).split()) if title is not None else ""
    return ParsedDocument(flow.text, named or flow.first_heading or stem(path), flow.sections)


def _decode(data: bytes, path: str) -> str:
    """UTF-8 when it is valid, whatever the page declares; then the declared charset."""
    try:
        return clean(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        declared = _CHARSET.search(data[:4096])
    if declared is None:
        return decode(data, path)
    try:
        return clean(data.decode(declared[1].decode("ascii"), errors="replace"))
    except LookupError:
        return decode(data, path)


def _events(root: LexborNode, keep_boilerplate: bool) -> Iterator[tuple[bool, LexborNode]]:
    """(True, node) on entering a node and (False, node) on leaving it, in document order."""
    node, depth = root, 0
    while True:
        skipped = _is_dropped(node, keep_boilerplate)
        if not skipped:
            yield True, node
            if node.first_child is not None:
                node, depth = node.first_child, depth + 1
                continue
            yield False, node
        while depth and node.next is None:
            parent = node.parent
            assert parent is not None
            node, depth = parent, depth - 1
            yield False, node
        if not depth or node.next is None:
            return
        node = node.next


def _is_dropped(node: LexborNode, keep_boilerplate: bool) -> bool:
    tag = node.tag or ""
    if tag in _NEVER or node.is_comment_node:
        return True
    if keep_boilerplate or not node.is_element_node:
        return False
    if tag in _BOILERPLATE or (tag == "header" and not _in_article(node)):
        return True
    attributes = node.attributes
    hidden = "hidden" in attributes or attributes.get("aria-hidden") == "true"
    return hidden or attributes.get("role") in _ROLES


def _in_article(node: LexborNode) -> bool:
    # An article's own header holds its title; a page's header holds its logo and menu.
    parent = node.parent
    while parent is not None:
        if parent.tag in ("article", "main", "section"):
            return True
        parent = parent.parent
    return False


def _is_layout(table: LexborNode) -> bool:
    """Whether a table arranges a page, or frames a box, instead of holding rows of values."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    if len(table.css("td, th")) <= len(table.css("tr")):
        return True
    if table.css_first("th") is not None:
        return False
    return len(table.css("table")) > 1 or table.css_first(_LAYOUT) is not None


class _Walker:
    """Turns enter and leave events into blocks of a Flow."""

    def __init__(self) -> None:
        self.flow = Flow()
        self._inline: list[str] = []
        self._lists: list[int | None] = []
        self._marker = ""
        self._pre = 0
        self._tables: list[bool] = []
        self._rows: list[str] = []
        self._cells: list[str] = []

    def enter(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if node.is_text_node:
            self._inline.append(clean(node.text_content or ""))
        elif tag == "br":
            self._inline.append("\n" if self._pre else "\x0b")
        elif tag == "table":
            self._enter_table(node)
        elif self._depth:
            self._enter_in_table(tag)
        elif tag in _BLOCKS:
            self.flush()
            self._open(tag, node)

    @property
    def _depth(self) -> int:
        """How many tables of data we are in; tables for layout do not count."""
        return sum(self._tables)

    def _enter_table(self, node: LexborNode) -> None:
        if self._depth:
            self._inline.append(" ")
        else:
            self.flush()
        self._tables.append(bool(self._depth) or not _is_layout(node))

    def _enter_in_table(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._inline.append(" ")

    def _open(self, tag: str, node: LexborNode) -> None:
        if tag == "pre":
            self._pre += 1
        elif tag == "ol":
            start = node.attributes.get("start") or "1"
            self._lists.append(int(start) if start.isdecimal() and len(start) < 10 else 1)
        elif tag == "ul":
            self._lists.append(None)
        elif tag == "li":
            self._marker = self._next_marker()

    def _next_marker(self) -> str:
        indent = "  " * max(len(self._lists) - 1, 0)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return indent + "- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag == "table" and self._tables:
            self._leave_table()
        elif self._depth:
            self._leave_in_table(tag)
        elif tag in _HEADINGS:
            self.flow.heading(_HEADINGS[tag], self._take())
        elif tag == "pre":
            self._leave_pre()
        elif tag in ("ul", "ol"):
            self.flush()
            if self._lists:
                self._lists.pop()
        elif tag in _BLOCKS:
            self.flush()
            self._marker = "" if tag == "li" else self._marker

    def _leave_pre(self) -> None:
        code = "".join(self._inline).replace("\x0b", "\n").strip("\n")
        self._inline.clear()
        self._pre -= 1
        self.flow.block(code, "code")

    def _leave_table(self) -> None:
        if not self._tables.pop():
            self.flush()
        elif self._depth:
            self._inline.append(" ")
        else:
            self._end_row()
            self.flow.block("\n".join(self._rows), "table")
            self._rows.clear()

    def _leave_in_table(self, tag: str) -> None:
        outermost = self._depth == 1
        if outermost and tag in ("td", "th"):
            self._cells.append(self._take().replace("\n", " "))
        elif outermost and tag == "tr":
            self._end_row()
        elif outermost and tag == "caption":
            self._rows.append(self._take().replace("\n", " "))
        elif tag in _BLOCKS:
            self._inline.append(" ")

    def _end_row(self) -> None:
        if any(self._cells):
            self._rows.append(" | ".join(self._cells))
        self._cells.clear()

    def _take(self) -> str:
        """The inline text so far with single spaces; line breaks only where the page has <br>."""
        text = _INLINE_GAP.sub(" ", "".join(self._inline).replace("\x0b", "\x1e"))
        self._inline.clear()
        return re.sub(r" *\x1e *", "\n", text).strip()

    def flush(self) -> None:
        if self._pre:
            return
        text = self._take()
        if not text:
            return
        if not self._lists:
            self.flow.block(text)
            return
        marked = bool(self._marker)
        text = (self._marker or "  " * len(self._lists)) + text
        self._marker = ""
        self.flow.block(text, "list", tight=marked and self.flow.last_kind == "list")


def _walk(root: LexborNode | None, keep_boilerplate: bool) -> Flow:
    walker = _Walker()
    if root is not None:
        for entering, node in _events(root, keep_boilerplate):
            (walker.enter if entering else walker.leave)(node)
        walker.flush()
    return walker.flow
