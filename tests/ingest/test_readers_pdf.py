"""PDF: properties, form fields and text boxes. Pages and outlines are in `test_readers.py`."""

from __future__ import annotations

import pytest

from ingest.readers.border import guarded
from ingest.readers.registry import read
from ingest.types import ParsedDocument


def pdf(annotations: str = "", info: str = "", shown: str = "words on a page") -> bytes:
    """A PDF of one page with these annotations and this information dictionary."""
    stream = f"BT /F1 12 Tf 50 700 Td ({shown}) Tj ET"
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 4 0 R>>>>"
        f"/Contents 5 0 R/Annots[{annotations}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        f"<<{info}>>",
    ]
    data, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer<</Size 7/Root 1 0 R/Info 6 0 R>>\nstartxref\n{len(data)}\n%%EOF"
    return f"{data}xref\n0 7\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


def widget(name: str, value: str, more: str = "") -> str:
    return f"<</Type/Annot/Subtype/Widget/Rect[0 0 9 9]/FT/Tx/T({name})/V{value}{more}>>"


@pytest.mark.parametrize(
    ("annotation", "line"),
    [
        (widget("First Name", "(Ada)"), "\n\nFirst Name: Ada"),
        (widget("f1[0]", "(Ada\\nL)", "/TU(Your name)"), "\n\nYour name: Ada L"),
        (widget("", "(Ada)"), "\n\nAda"),
        (widget("a", "()"), ""),
        (widget("a", "/Off"), ""),
        (widget("a", "/Yes"), "\n\na: Yes"),
        ("<</Type/Annot/Subtype/FreeText/Rect[0 0 9 9]/Contents(a box)>>", "\n\na box"),
        ("<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(a remark)>>", ""),
        ("<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/Contents(a link)>>", ""),
        ("7 0 R null 5 0 R", ""),
    ],
)
def test_fields_are_kept(annotation: str, line: str) -> None:
    assert read(pdf(annotation), "a.pdf").text == "words on a page" + line


def test_a_form_whose_page_is_a_scan_still_has_what_was_filled_in() -> None:
    text = read(pdf(widget("First Name", "(Ada)"), shown=""), "a.pdf").text
    assert text == "First Name: Ada"


def test_properties() -> None:
    info = "/Title(T)/Author(Ada)/Keywords(a, b)/CreationDate(D:20240131093000+01'00')"
    parsed = guarded(read, pdf(info=info), "a.pdf")
    assert isinstance(parsed, ParsedDocument)
    assert parsed.title == "T"
    assert parsed.metadata == {
        "pages": "1",
        "title": "T",
        "author": "Ada",
        "keywords": "a, b",
        "date": "2024-01-31T09:30:00+01:00",
    }
