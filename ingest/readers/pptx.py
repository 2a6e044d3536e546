"""PowerPoint by python-pptx with a walk of our own: slides are pages, their titles headings."""

from __future__ import annotations

import io
from collections.abc import Iterator

from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml
from pptx.package import Package
from pptx.parts.presentation import PresentationPart
from pptx.shapes.autoshape import Shape
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.slide import Slide
from pptx.table import Table
from pptx.text.text import TextFrame

from ingest.errors import UnreadableFile
from ingest.readers.drawing import alternatives, chart_lines, one_line, paragraphs
from ingest.readers.flow import NOTES, Flow, first_title
from ingest.readers.package import core_properties, open_package
from ingest.readers.text import stem
from ingest.types import ParsedDocument

_BULLETED = frozenset({PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY})
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_DIAGRAM_DATA = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"


def read_pptx(data: bytes, path: str) -> ParsedDocument:
    """A presentation, hidden slides too: one page a slide, speaker notes under "Notes".

    Raises UnreadableFile (encrypted, corrupt). Comments are not part of the text.
    """
    with open_package(data, path, "PPTX") as archive:
        metadata = core_properties(archive)
    flow = Flow()
    # Not `Presentation(...)`: that refuses slide shows and templates, which are read the same.
    part = Package.open(io.BytesIO(data)).main_document_part
    if not isinstance(part, PresentationPart):
        raise UnreadableFile(path, "corrupt", "corrupt PPTX: no presentation inside")
    slides = part.presentation.slides
    for number, slide in enumerate(slides, 1):
        flow.turn(number)
        _add_slide(flow, slide)
    metadata["slides"] = str(len(slides))
    title = metadata.get("title") or first_title(flow) or stem(path)
    return ParsedDocument(flow.text, title, flow.sections, metadata)


def _add_slide(flow: Flow, slide: Slide) -> None:
    title = slide.shapes.title
    heading = title.element if title is not None and title.has_text_frame else None
    if title is not None and heading is not None:
        flow.heading(1, one_line(title.text_frame.text))
    for shape in _leaves(slide):
        # Not by their numbers, which are not always unique.
        if shape.element is not heading:
            _add_shape(flow, shape)
    flow.block("\n".join(alternatives(slide.shapes.element)))
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        flow.heading(2, NOTES)
        _add_text(flow, notes, bulleted=False)


def _leaves(slide: Slide) -> Iterator[BaseShape]:
    """All shapes in reading order, those in groups too, however deep."""
    waiting = list(reversed(list(slide.shapes)))
    while waiting:
        shape = waiting.pop()
        # Not by shape type: asking for that raises on shapes that the library does not know.
        if hasattr(shape, "shapes"):
            waiting.extend(reversed(list(shape.shapes)))
        else:
            yield shape


def _add_shape(flow: Flow, shape: BaseShape) -> None:
    kind = shape.placeholder_format.type if shape.is_placeholder else None
    if isinstance(shape, GraphicFrame):
        _add_graphic(flow, shape)
    elif isinstance(shape, Shape) and kind != PP_PLACEHOLDER.SLIDE_NUMBER:
        _add_text(flow, shape.text_frame, kind in _BULLETED)


def _add_text(flow: Flow, frame: TextFrame, bulleted: bool) -> None:
    found = [(paragraph.level, _lines(paragraph.text)) for paragraph in frame.paragraphs]
    found = [(level, lines) for level, lines in found if lines]
    if bulleted and len(found) > 1:
        items = (f"{'  ' * level}- {' '.join(lines)}" for level, lines in found)
        flow.block("\n".join(items), "list")
    else:
        flow.block("\n".join(line for _, lines in found for line in lines))


def _lines(text: str) -> list[str]:
    return [line for line in map(one_line, text.split("\v")) if line]


def _add_graphic(flow: Flow, frame: GraphicFrame) -> None:
    if frame.has_table:
        flow.block(_rows(frame.table), "table")
    elif frame.has_chart:
        flow.block("\n".join(chart_lines(frame.chart.element)), "table")
    else:
        for diagram in frame.element.iter(_DIAGRAM):
            texts = parse_xml(frame.part.related_part(diagram.get(_DIAGRAM_DATA)).blob)
            flow.block("\n".join(f"- {line}" for line in paragraphs(texts)), "list")


def _rows(table: Table) -> str:
    rows = ([one_line(cell.text) for cell in row.cells] for row in table.rows)
    return "\n".join(" | ".join(cells) for cells in rows if any(cells))
