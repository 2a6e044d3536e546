"""Texts inside drawings of office files, by element name: charts, SmartArt, alternative shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from ingest.readers.text import clean

_MAIN = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"


class Element(Protocol):
    """What is used of an lxml element."""

    @property
    def text(self) -> str | None: ...

    def get(self, key: str) -> str | None: ...

    def find(self, path: str) -> Self | None: ...

    def iter(self, *tags: str) -> Iterator[Self]: ...


def one_line(text: str) -> str:
    """A text without line breaks and runs of spaces."""
    return " ".join(clean(text).split())


def paragraphs(element: Element) -> list[str]:
    """The paragraphs of DrawingML text below an element, each on one line, blank ones left out."""
    found = (
        one_line("".join(run.text or "" for run in paragraph.iter(_MAIN + "t")))
        for paragraph in element.iter(_MAIN + "p")
    )
    return [text for text in found if text]


def alternatives(element: Element) -> list[str]:
    """Paragraphs of shapes that are stored in two versions: of the newer, else of the older."""
    found: list[str] = []
    for both in element.iter(_COMPATIBILITY + "AlternateContent"):
        versions = [both.find(_COMPATIBILITY + name) for name in ("Choice", "Fallback")]
        texts = (paragraphs(version) for version in versions if version is not None)
        found.extend(next((text for text in texts if text), []))
    return found


def chart_lines(chart: Element) -> list[str]:
    """A chart's titles, then one line a series: "Sales | 2023: 4.5 | 2024: 6"."""
    return paragraphs(chart) + [_series(series) for series in chart.iter(_CHART + "ser")]


def _series(series: Element) -> str:
    name = " ".join(_points(series, "tx").values())
    names = _points(series, "cat") or _points(series, "xVal")
    values = _points(series, "val") or _points(series, "yVal")
    cells = (f"{names[at]}: {value}" if at in names else value for at, value in values.items())
    return one_line(" | ".join([name, *cells]))


def _points(series: Element, part: str) -> dict[str, str]:
    """Values of a part of a series by their index, as they were last computed."""
    holder = series.find(_CHART + part)
    if holder is None:
        return {}
    found: dict[str, str] = {}
    for point in holder.iter(_CHART + "pt"):
        value = point.find(_CHART + "v")
        if value is not None and value.text:
            found[point.get("idx") or ""] = value.text
    return found
