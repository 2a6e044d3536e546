"""Hostile and damaged files of every format that is XML in a zip: each costs itself alone."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches

from ingest.errors import UnreadableFile
from ingest.readers.border import guarded
from ingest.readers.package import fields
from ingest.readers.registry import READERS, read
from ingest.types import Failure, ParsedDocument

ODF = "urn:oasis:names:tc:opendocument:xmlns"
WORDS = "harmless words"
MAIN = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
    "odt": "content.xml",
    "epub": "book.opf",
}


def packed(members: Mapping[str, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, 0 if name == "mimetype" else None)
    return data.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _docx() -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    paragraph = f"<w:p><w:r><w:t>{WORDS}</w:t></w:r></w:p>"
    return packed(
        {
            "[Content_Types].xml": f'<Types xmlns="{kinds}"/>',
            "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{paragraph}</w:body>'
            "</w:document>",
        }
    )


def _pptx() -> bytes:
    slides, data = Presentation(), io.BytesIO()
    shapes = slides.slides.add_slide(slides.slide_layouts[6]).shapes
    shapes.add_textbox(*[Inches(1)] * 4).text_frame.text = WORDS
    slides.save(data)
    return data.getvalue()


def _xlsx() -> bytes:
    book, data = Workbook(), io.BytesIO()
    book.active["A1"] = WORDS
    book.save(data)
    # Inline, so that the text is in the sheet itself.
    cell = f'<c r="A1" t="inlineStr"><is><t>{WORDS}</t></is></c>'.encode()
    members = unpacked(data.getvalue())
    sheet = members[MAIN["xlsx"]]
    start, end = sheet.index(b"<c r="), sheet.index(b"</row>")
    return packed({**members, MAIN["xlsx"]: sheet[:start] + cell + sheet[end:]})


def _odt() -> bytes:
    body = f'<o:body><t:p xmlns:t="{ODF}:text:1.0">{WORDS}</t:p></o:body>'
    mime = "application/vnd.oasis.opendocument.text"
    content = f'<o:document-content xmlns:o="{ODF}:office:1.0">{body}</o:document-content>'
    return packed({"mimetype": mime, "content.xml": content})


def _epub() -> bytes:
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<c><rootfile full-path="book.opf"/></c>',
            "book.opf": '<p><item id="a" href="a.html"/><itemref idref="a"/></p>',
            "a.html": f"<html><p>{WORDS}</p></html>",
        }
    )


FILES = {"docx": _docx(), "pptx": _pptx(), "xlsx": _xlsx(), "odt": _odt(), "epub": _epub()}
KINDS = sorted(FILES)


def with_main(kind: str, old: bytes, new: bytes) -> bytes:
    """The file of this kind with `old` replaced once in its main part."""
    members = unpacked(FILES[kind])
    content = members[MAIN[kind]]
    if content.startswith(b"<?xml"):
        content = content.partition(b"?>")[2].lstrip()
    assert old in content
    return packed({**members, MAIN[kind]: content.replace(old, new, 1)})


def outcome(data: bytes, path: str) -> ParsedDocument | Failure:
    started = time.perf_counter()
    result = guarded(read, data, path)
    assert time.perf_counter() - started < 10
    return result


def reason(data: bytes, path: str) -> str:
    result = outcome(data, path)
    assert isinstance(result, Failure), result
    return result.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["pdf", "txt", "zip", "docx", ""])
def test_a_lying_suffix_changes_nothing(kind: str, suffix: str) -> None:
    assert WORDS in read(FILES[kind], f"a.{suffix}").text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated(kind: str, part: float) -> None:
    data = FILES[kind][: int(len(FILES[kind]) * part)]
    assert reason(data, f"a.{kind}").startswith("corrupt")


def laughs(kind: str) -> tuple[bytes, bytes]:
    """What to replace in the main part, so that its text is a thousand million laughs."""
    levels = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "laugh">{levels}]>'.encode(), b"&l9;"


def _with_doctype(kind: str, doctype: bytes, reference: bytes) -> bytes:
    words = b'href="a.html"' if kind == "epub" else WORDS.encode()
    use = b'href="' + reference + b'"' if kind == "epub" else WORDS.encode() + reference
    members = unpacked(with_main(kind, words, use))
    return packed({**members, MAIN[kind]: doctype + members[MAIN[kind]]})


@pytest.mark.parametrize("kind", KINDS)
def test_entities_are_not_expanded(kind: str) -> None:
    result = outcome(_with_doctype(kind, *laughs(kind)), f"a.{kind}")
    assert isinstance(result, Failure) or len(result.text) < 100
    if kind in ("odt", "epub"):
        assert isinstance(result, Failure)
        assert result.reason == "corrupt XML: it declares entities"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outside_is_fetched(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOPSECRET")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'.encode()
    result = outcome(_with_doctype(kind, doctype, b"&e;"), f"a.{kind}")
    assert "TOPSECRET" not in str(result)


@pytest.mark.parametrize("kind", KINDS)
def test_deep_nesting(kind: str) -> None:
    deep = b"<x>" * 20_000 + b"</x>" * 20_000
    closing = {"docx": b"</w:body>", "pptx": b"</p:spTree>", "xlsx": b"</sheetData>"}
    end = closing.get(kind, b"</o:body>" if kind == "odt" else b"</p>")
    result = outcome(with_main(kind, end, deep + end), f"a.{kind}")
    assert isinstance(result, Failure) or WORDS in result.text


@pytest.mark.parametrize("kind", KINDS)
def test_bombs(kind: str) -> None:
    members = unpacked(FILES[kind])
    bomb = packed({**members, MAIN[kind]: bytes(60 << 20)})
    assert reason(bomb, f"a.{kind}").startswith("too large: unpacks to 60 MiB")


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_holds_more_than_it_declares(kind: str) -> None:
    data = FILES[kind]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo(MAIN[kind]).file_size
    lies = data.replace(size.to_bytes(4, "little"), (1).to_bytes(4, "little"))
    assert lies != data
    assert isinstance(outcome(lies, f"a.{kind}"), Failure)


@pytest.mark.parametrize("kind", KINDS)
def test_passwords(kind: str) -> None:
    data = bytearray(FILES[kind])
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1
    assert reason(bytes(data), f"a.{kind}") == "encrypted: needs a password"


@pytest.mark.parametrize("suffix", ["docx", "pptx", "xlsx"])
def test_an_office_file_with_a_password_is_no_zip_at_all(suffix: str) -> None:
    container = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    stream = "EncryptedPackage".encode("utf-16-le")
    assert reason(container + stream, f"a.{suffix}") == "encrypted: needs a password"


def test_a_folder_called_word_is_just_a_folder() -> None:
    assert "corrupt" not in str(outcome(packed({"word/list.txt": "a", "xl/b.txt": "b"}), "a.zip"))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_mark_of_a_format(kind: str) -> None:
    mark = {"odt": "content.xml", "epub": "META-INF/container.xml"}.get(kind, "[Content_Types].xml")
    members = {mark: "", MAIN[kind]: ""}
    assert reason(packed(members), f"a.{kind}").startswith(("corrupt", "unsupported"))


def test_fields_of_a_utf16_file_and_of_a_broken_one() -> None:
    xml = "<a><dc:title>\u00e9 &lt; x</dc:title><dc:title>y</dc:title><dc:x>no</dc:x><dc:title"
    for data in (xml.encode(), xml.encode("utf-16")):
        assert fields(data, {"dc:title": "title"}) == {"title": "\u00e9 < x, y"}


def test_a_wrong_kind_is_corrupt() -> None:
    with pytest.raises(UnreadableFile, match="corrupt PPTX: no presentation inside"):
        READERS["pptx"](FILES["xlsx"], "a.pptx")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_no_damage_gets_past_the_border(kind: str, edits: list[tuple[float, bytes]]) -> None:
    data = bytearray(FILES[kind])
    for place, patch in edits:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    result = outcome(bytes(data), f"a.{kind}")
    assert isinstance(result, ParsedDocument | Failure)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.floats(0, 1), st.binary(max_size=40), st.integers(0, 40))
def test_no_damage_inside_gets_past_the_border(
    kind: str, place: float, patch: bytes, cut: int
) -> None:
    members = unpacked(FILES[kind])
    content = members[MAIN[kind]]
    at = int(place * len(content))
    members[MAIN[kind]] = content[:at] + patch + content[at + cut :]
    assert isinstance(outcome(packed(members), f"a.{kind}"), ParsedDocument | Failure)
