"""From headings found in a text to sections with heading paths. Shared by several readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.types import Section, SectionKind


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that starts at character `start`; level 1 is the highest."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of one kind that starts at character `start` and runs to the next block."""

    start: int
    kind: SectionKind


class HeadingPath:
    """The headings in force while walking down a document."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        """A heading of this level ends all headings of the same or a lower rank."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        if title:
            self._stack.append((level, title))

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._stack)


def sections(
    headings: Iterable[Heading], blocks: Sequence[Block], start: int, end: int
) -> tuple[Section, ...]:
    """Cut `start:end` at every heading and every change of kind. Offsets are characters."""
    cuts: dict[int, Heading | None] = {start: None}
    cuts.update({heading.start: heading for heading in headings})
    kinds = {block.start: block.kind for block in blocks}
    points = sorted({*cuts, *kinds})
    path, found = HeadingPath(), list[Section]()
    kind: SectionKind = "prose"
    for here, following in zip(points, [*points[1:], end], strict=True):
        heading = cuts.get(here)
        if heading is not None:
            path.enter(heading.level, heading.title)
        kind = kinds.get(here, "prose" if heading is not None else kind)
        if following > here:
            found.append(Section(here, following, path.titles, None, kind))
    return tuple(found)
