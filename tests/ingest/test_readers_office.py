"""PowerPoint and Excel: what slides, shapes, sheets and rows become."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

import pytest
from openpyxl import Workbook
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Inches

from ingest.errors import UnreadableFile
from ingest.readers.border import guarded
from ingest.readers.registry import read
from ingest.types import Failure, ParsedDocument

BOX = (Inches(1), Inches(1), Inches(3), Inches(1))
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
ALTERNATE = f"""
<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
 xmlns:p="{SLIDES}" xmlns:a="{DRAWING}/main">
 <mc:Choice Requires="a14"><p:sp><p:txBody><a:p><a:r><a:t>newer</a:t></a:r></a:p></p:txBody></p:sp>
 </mc:Choice><mc:Fallback><p:sp><p:txBody><a:p><a:r><a:t>older</a:t></a:r></a:p></p:txBody></p:sp>
 </mc:Fallback></mc:AlternateContent>"""


def parse(data: bytes, path: str) -> ParsedDocument:
    """Read; sections are ordered, do not overlap, and lie in the text."""
    parsed, position = read(data, path), 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        position = section.end
    return parsed


def parts(parsed: ParsedDocument) -> list[tuple[str, int | None, tuple[str, ...], str]]:
    """(kind, page, headings, text) of each section."""
    return [
        (section.kind, section.page, section.headings, parsed.text[section.start : section.end])
        for section in parsed.sections
    ]


def saved(document: Any) -> bytes:
    packed = io.BytesIO()
    document.save(packed)
    return packed.getvalue()


def edited(data: bytes, edits: dict[str, Callable[[bytes], bytes]]) -> bytes:
    """The zip with some members changed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, edits.get(name, bytes)(old.read(name)))
    return packed.getvalue()


# PowerPoint


def deck() -> Any:
    slides = Presentation()
    slides.core_properties.title = "Plans"
    slides.core_properties.author = "Ada"
    slides.core_properties.created = datetime(2024, 1, 31, 9, 30)
    return slides


def slide_of(slides: Any, layout: int, title: str = "") -> Any:
    slide = slides.slides.add_slide(slides.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def chart_in(shapes: Any) -> Any:
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("Sales", (4.5, 6))
    return shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)


def test_slides_are_pages_and_their_titles_headings() -> None:
    slides = deck()
    first = slide_of(slides, 1, "Why\vnow")
    body = first.placeholders[1].text_frame
    body.text = "One"
    more = body.add_paragraph()
    more.text, more.level = "deeper", 1
    first.notes_slide.notes_text_frame.text = "say hello"
    slide_of(slides, 6).shapes.add_textbox(*BOX).text_frame.text = "two lines\vof a box"
    parsed = parse(saved(slides), "a.pptx")
    assert parsed.title == "Plans"
    assert parsed.metadata["author"] == "Ada"
    assert parsed.metadata["created"].startswith("2024-01-31T09:30:00")
    assert parsed.metadata["slides"] == "2"
    assert parts(parsed) == [
        ("prose", 1, ("Why now",), "Why now"),
        ("list", 1, ("Why now",), "- One\n  - deeper"),
        ("prose", 1, ("Why now", "Notes"), "Notes\n\nsay hello"),
        ("prose", 2, (), "two lines\nof a box"),
    ]


def test_tables_groups_charts_and_alternatives() -> None:
    slides = deck()
    shapes = slide_of(slides, 5, "All").shapes
    table = shapes.add_table(2, 2, *BOX).table
    for at, text in enumerate(("Part", "Price", "B21", "4\neach")):
        table.cell(at // 2, at % 2).text = text
    inner = shapes.add_group_shape().shapes.add_group_shape().shapes
    inner.add_textbox(*BOX).text_frame.text = "deep in groups"
    chart = chart_in(shapes).chart
    chart.chart_title.text_frame.text = "Growth"
    shapes._spTree.append(parse_xml(ALTERNATE))
    assert [(kind, text) for kind, _, _, text in parts(parse(saved(slides), "a.pptx"))] == [
        ("prose", "All"),
        ("table", "Part | Price\nB21 | 4 each"),
        ("prose", "deep in groups"),
        ("table", "Growth\nSales | 2023: 4.5 | 2024: 6"),
        ("prose", "newer"),
    ]


def test_shapes_with_the_same_number_and_notes_without_a_title() -> None:
    slides = deck()
    slides.core_properties.title = ""
    slide = slide_of(slides, 5, "Title")
    box = slide.shapes.add_textbox(*BOX)
    box.text_frame.text = "box"
    box._element.nvSpPr.cNvPr.set("id", str(slide.shapes.title.shape_id))
    assert parse(saved(slides), "a.pptx").text == "Title\n\nbox"
    slide.shapes.title.text = ""
    slide.notes_slide.notes_text_frame.text = "say"
    parsed = parse(saved(slides), "a.pptx")
    assert (parsed.title, parsed.text) == ("a", "box\n\nNotes\n\nsay")


def test_smart_art() -> None:
    slides = deck()
    slide = slide_of(slides, 6)
    shapes = slide.shapes
    frame = chart_in(shapes).element
    relation = frame.xpath(".//@r:id")[0]
    data = frame.xpath(".//a:graphicData")[0]
    data.set("uri", f"{DRAWING}/diagram")
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ids = f'<d:relIds xmlns:d="{DRAWING}/diagram" xmlns:r="{office}" r:dm="{relation}"/>'
    data.replace(data[0], parse_xml(ids))
    point = "<a:p><a:r><a:t>{}</a:t></a:r></a:p>"
    model = f'<m xmlns:a="{DRAWING}/main">{point.format("plan")}{point.format("do")}</m>'
    name = str(slide.part.related_part(relation).partname).lstrip("/")
    packed = edited(saved(slides), {name: lambda _: model.encode()})
    assert parse(packed, "a.pptx").text == "- plan\n- do"


@pytest.mark.parametrize("kind", ["slideshow", "template"])
def test_slide_shows_and_templates_are_read_too(kind: str) -> None:
    slides = deck()
    slide_of(slides, 5, "Shown")
    swap = {
        "[Content_Types].xml": lambda xml: xml.replace(
            b"presentation.main+xml", f"{kind}.main+xml".encode()
        )
    }
    assert parse(edited(saved(slides), swap), "a.ppsx").text == "Shown"


# Excel


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return saved(book)


def test_rows_read_alone() -> None:
    rows = [["Part", "Price", "Since"], ["B21", 4.0, date(2024, 1, 31)], ["C5", 1 / 3, None]]
    parsed = parse(workbook(Parts=rows, Empty=[], Hidden=[["x"]]), "stock.xlsx")
    assert parsed.title == "stock"
    assert parts(parsed) == [
        ("prose", None, ("Parts",), "Parts"),
        (
            "table",
            None,
            ("Parts",),
            "Part | Price | Since\n"
            "Part: B21 | Price: 4 | Since: 2024-01-31\n"
            "Part: C5 | Price: 0.333333333333333",
        ),
        ("prose", None, ("Hidden",), "Hidden"),
        ("table", None, ("Hidden",), "x"),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2024, 1, 31, 9, 5), "2024-01-31 09:05:00"),
        (datetime(2024, 1, 31), "2024-01-31"),
        (time(9, 5), "09:05:00"),
        (True, "TRUE"),
        (12345678901, "12345678901"),
        (0.1, "0.1"),
        ("two\nlines  here", "two lines here"),
        ("#N/A", "#N/A"),
    ],
)
def test_values(value: object, shown: str) -> None:
    assert parse(workbook(S=[[value]]), "a.xlsx").text == f"S\n\n{shown}"


def test_properties_of_a_workbook() -> None:
    book = Workbook()
    book.active.append(["x"])
    book.properties.title, book.properties.creator = "A & B", "Ada"
    book.properties.keywords = "one, two"
    parsed = parse(saved(book), "a.xlsx")
    assert parsed.title == "A & B"
    assert parsed.metadata["author"] == "Ada"
    assert parsed.metadata["keywords"] == "one, two"
    assert "created" in parsed.metadata


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'ref="A1:B2"', b'ref="A1:XFD1048576"'),
        (b'ref="A1:B2"', b'ref="A1"'),
        (b'r="2"', b'r="1048576"'),
        (b'r="2"', b'r="900000000"'),
    ],
)
def test_a_sheet_that_lies_about_its_size_costs_nothing(old: bytes, new: bytes) -> None:
    data = workbook(S=[["Part", "Price"], ["B21", 4]])
    parsed = parse(edited(data, {SHEET: lambda xml: xml.replace(old, new)}), "a.xlsx")
    assert parsed.text.startswith("S\n\nPart | Price")


def test_a_cell_far_to_the_right() -> None:
    data = workbook(S=[["near", "far"]])
    moved = edited(data, {SHEET: lambda xml: xml.replace(b'r="B1"', b'r="XFD1"')})
    assert parse(moved, "a.xlsx").text == "S\n\nnear | far"


def test_a_claim_of_more_columns_than_there_can_be() -> None:
    data = workbook(S=[["near", "far"]])
    claims = edited(data, {SHEET: lambda xml: xml.replace(b'r="B1"', b'r="BDWGN1"')})
    result = guarded(read, claims, "a.xlsx")
    assert isinstance(result, Failure)
    assert result.reason.startswith("corrupt: ValueError: 'BDWGN' is not a valid column")


def test_old_binary_workbooks_are_named_as_such() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.bin"):
            archive.writestr(name, "x")
    with pytest.raises(UnreadableFile, match="unsupported format: xlsb"):
        read(packed.getvalue(), "a.xlsx")


def test_a_sheet_of_a_billion_cells_is_refused_by_its_declared_size() -> None:
    row = b'<row><c t="n"><v>1</v></c></row>'
    sheet = b"<worksheet><sheetData>" + row * 3_000_000 + b"</sheetData></worksheet>"
    bomb = edited(workbook(S=[["x"]]), {SHEET: lambda _: sheet})
    with pytest.raises(UnreadableFile, match="too large"):
        read(bomb, "a.xlsx")
