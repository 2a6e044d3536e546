"""OpenDocument: what texts, sheets and slides become, from the XML that the format asks for."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingest.errors import UnreadableFile
from ingest.readers.registry import read
from ingest.types import ParsedDocument

OASIS = "urn:oasis:names:tc:opendocument:xmlns"
NAMESPACES = " ".join(
    f'xmlns:{prefix}="{OASIS}:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "svg": "svg-compatible",
        "meta": "meta",
    }.items()
)
META = (
    f'<office:document-meta {NAMESPACES} xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<office:meta><dc:title>A &amp; B</dc:title><dc:creator>Bob</dc:creator>"
    "<meta:creation-date>2024-01-31T09:30:00</meta:creation-date>"
    "<meta:keyword>one</meta:keyword><meta:keyword>two</meta:keyword>{}</office:meta>"
    "</office:document-meta>"
)


def opendocument(kind: str, body: str, **more: str) -> bytes:
    """A file of this kind ("text", ...) with this XML in its body; `more` are other members."""
    content = (
        f"<office:document-content {NAMESPACES}><office:body><office:{kind}>{body}"
        f"</office:{kind}></office:body></office:document-content>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", more.pop("manifest", "<manifest/>"))
        for name, xml in more.items():
            archive.writestr(f"{name}.xml", xml)
    return packed.getvalue()


def parse(kind: str, body: str, path: str = "a.odt", **more: str) -> ParsedDocument:
    parsed, position = read(opendocument(kind, body, **more), path), 0
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


def test_headings_lists_and_tables() -> None:
    cells = "".join(
        f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in "xy"
    )
    body = (
        '<text:h text:outline-level="1">One</text:h><text:p>first</text:p><text:p/>'
        "<text:list><text:list-item><text:p>a</text:p><text:p>more</text:p><text:list>"
        "<text:list-item><text:p>b</text:p></text:list-item></text:list></text:list-item>"
        "</text:list>"
        '<text:h text:outline-level="2">Two</text:h>'
        f"<table:table><table:table-row>{cells}</table:table-row><table:table-row>{cells}"
        "</table:table-row></table:table>"
    )
    parsed = parse("text", body)
    assert parsed.title == "One"
    assert parts(parsed) == [
        ("prose", None, ("One",), "One\n\nfirst"),
        ("list", None, ("One",), "- a\n  more\n  - b"),
        ("prose", None, ("One", "Two"), "Two"),
        ("table", None, ("One", "Two"), "x | y\nx | y"),
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<text:p>a<text:s/><text:s/>b<text:tab/>c\n  d</text:p>", "a b c d"),
        ("<text:p>a<text:line-break/>b</text:p>", "a\nb"),
        ("<text:p>a <text:span>b</text:span><text:a>c</text:a></text:p>", "a bc"),
        (
            "<text:p>said<text:note><text:note-citation>1</text:note-citation><text:note-body>"
            "<text:p>by whom</text:p></text:note-body></text:note> so</text:p><text:p>z</text:p>",
            "said [1] so\n\n[1] by whom\n\nz",
        ),
        (
            "<text:p>out<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box>"
            "</draw:frame>side</text:p>",
            "outside\n\nbox",
        ),
        (
            "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
            "<text:p>kept<office:annotation><text:p>remark</text:p></office:annotation></text:p>",
            "kept",
        ),
        ("<text:p>a<draw:frame><svg:desc>a cat</svg:desc></draw:frame></text:p>", "a"),
        (
            "<table:table><table:table-row><table:table-cell><text:p>a</text:p><table:table>"
            "<table:table-row><table:table-cell><text:p>in</text:p></table:table-cell>"
            "</table:table-row></table:table></table:table-cell><table:table-cell><text:p>b"
            "</text:p></table:table-cell></table:table-row></table:table>",
            "a in | b",
        ),
        ("<text:h>no level</text:h>", "no level"),
    ],
)
def test_text(body: str, text: str) -> None:
    assert parse("text", body).text == text


def test_properties() -> None:
    parsed = parse("text", "<text:p>x</text:p>", meta=META.format(""))
    assert parsed.title == "A & B"
    assert parsed.metadata == {
        "title": "A & B",
        "author": "Bob",
        "created": "2024-01-31T09:30:00",
        "keywords": "one, two",
    }
    first = META.format("<meta:initial-creator>Ada</meta:initial-creator>")
    assert parse("text", "<text:p>x</text:p>", meta=first).metadata["author"] == "Ada"


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_sheets() -> None:
    blank = '<table:table-cell table:number-columns-repeated="16382"/>'
    body = (
        '<table:table table:name="Parts">'
        + row(cell("Part"), cell("Since"), blank)
        + row(cell("B21"), cell("31.1.24", 'office:date-value="2024-01-31"'), blank)
        + row(cell("5", 'table:number-columns-repeated="2"'), attributes=repeated(2))
        + row(blank, attributes=repeated(1048573))
        + "</table:table>"
    )
    parsed = parse("spreadsheet", body, "stock.ods")
    assert parsed.title == "stock"
    assert parts(parsed) == [
        ("prose", None, ("Parts",), "Parts"),
        (
            "table",
            None,
            ("Parts",),
            "Part | Since\nPart: B21 | Since: 2024-01-31\nPart: 5 | Since: 5\nPart: 5 | Since: 5",
        ),
    ]


def repeated(times: int) -> str:
    return f'table:number-rows-repeated="{times}"'


@pytest.mark.parametrize(
    "body",
    [
        row(cell("x", 'table:number-columns-repeated="999999999"')),
        row(cell("x"), attributes=repeated(999999999)),
        row(cell("x" * 9000), attributes=repeated(9999)),
    ],
)
def test_a_sheet_of_a_billion_cells(body: str) -> None:
    with pytest.raises(UnreadableFile, match="too large: too m"):
        parse("spreadsheet", f"<table:table>{body}</table:table>", "a.ods")


def test_slides_are_pages() -> None:
    title = '<draw:frame presentation:class="title"><draw:text-box>{}</draw:text-box></draw:frame>'
    shape = "<draw:custom-shape><text:p>in a shape</text:p></draw:custom-shape>"
    notes = "<presentation:notes><draw:frame><text:p>say hello</text:p></draw:frame>"
    body = (
        f"<draw:page>{title.format('<text:p>Why</text:p><text:p>now</text:p>')}{shape}"
        f"{notes}</presentation:notes></draw:page><draw:page>{shape}"
        "<presentation:notes/></draw:page><draw:page>"
        f"{title.format('<text:p/>')}<draw:g>{shape}</draw:g></draw:page>"
    )
    assert parts(parse("presentation", body, "a.odp")) == [
        ("prose", 1, ("Why now",), "Why now\n\nin a shape"),
        ("prose", 1, ("Why now", "Notes"), "Notes\n\nsay hello"),
        ("prose", 2, (), "in a shape"),
        ("prose", 3, (), "in a shape"),
    ]


def test_drawings_are_read_too() -> None:
    assert parse("graphics", "<draw:page><text:p>x</text:p></draw:page>", "a.odg").text == "x"


def test_encrypted() -> None:
    with pytest.raises(UnreadableFile, match="encrypted: needs a password"):
        parse("text", "x", manifest="<m><manifest:encryption-data/></m>")


def test_deep_nesting_costs_no_stack() -> None:
    deep = "<text:span>" * 50_000 + "deep" + "</text:span>" * 50_000
    assert parse("text", f"<text:p>{deep}</text:p>").text == "deep"
    boxes = "<text:p><draw:frame>" * 20_000 + "deep" + "</draw:frame></text:p>" * 20_000
    assert parse("text", boxes).text == "deep"
