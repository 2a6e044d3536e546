"""Text of a document as it is put together from blocks, with sections that point into it."""

from __future__ import annotations

from ingest.readers.outline import HeadingPath
from ingest.types import Section, SectionKind

NOTES = "Notes"
"""The heading above what a speaker noted for a slide."""


class Flow:
    """Appends blocks; adjacent ones with the same headings and kind form one section."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._path = HeadingPath()
        self._new_heading = False
        self._page: int | None = None
        self.first_heading = ""

    def turn(self, page: int) -> None:
        """Go to this page (or slide, from 1): headings of the page before end there."""
        self._page = page
        self._path = HeadingPath()
        self._new_heading = True

    def heading(self, level: int, title: str) -> None:
        """A heading: its text is part of the document and opens a new section."""
        title = " ".join(title.split())
        if not title:
            return
        self.first_heading = self.first_heading or title
        self._path.enter(level, title)
        self._new_heading = True
        self.block(title)

    def block(self, text: str, kind: SectionKind = "prose", tight: bool = False) -> None:
        """A paragraph, table, list item or code block; `tight` means on the next line."""
        if not text.strip():
            return
        if self._parts:
            gap = "\n" if tight else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        start, self._length = self._length, self._length + len(text)
        self._parts.append(text)
        self._extend(start, kind)

    def _extend(self, start: int, kind: SectionKind) -> None:
        last = self._sections[-1] if self._sections else None
        same = last is not None and (last.headings, last.kind) == (self._path.titles, kind)
        if last is not None and same and not self._new_heading:
            start = last.start
            self._sections.pop()
        self._sections.append(Section(start, self._length, self._path.titles, self._page, kind))
        self._new_heading = False

    @property
    def last_kind(self) -> SectionKind | None:
        return self._sections[-1].kind if self._sections else None

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def sections(self) -> tuple[Section, ...]:
        return tuple(self._sections)


def first_title(flow: Flow) -> str:
    """The first heading that a slide has of its own, else ""."""
    found = (section.headings[0] for section in flow.sections if section.headings)
    return next((title for title in found if title != NOTES), "")
