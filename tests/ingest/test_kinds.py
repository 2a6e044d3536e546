"""The kind of a file is told by its bytes; its name only helps among texts."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kinds import looks_like_text, sniff


def archive(*names: str, mime: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        if mime:
            file.writestr("mimetype", mime)
        for name in names:
            file.writestr(name, "x")
    return packed.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64)


def ole(stream: str) -> bytes:
    return OLE + stream.encode("utf-16-le") + bytes(64)


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.4\n...", "report.pdf", "pdf"),
        (b"%PDF-1.4\n...", "report.txt", "pdf"),
        (b"HTTP/1.1 200 OK\n\n%PDF-1.4\n...", "report.pdf", "pdf"),
        (b"junk %PDF-1.4\n... startxref\n9\n%%EOF", "report", "pdf"),
        (b"A PDF file begins with %PDF-1.4", "about.md", "markdown"),
        (archive("[Content_Types].xml", "word/document.xml"), "a.zip", "docx"),
        (archive("ppt/presentation.xml"), "a.docx", "pptx"),
        (archive("xl/workbook.xml"), "a.xlsx", "xlsx"),
        (archive(mime="application/vnd.oasis.opendocument.text"), "a.odt", "odt"),
        (archive(mime="application/epub+zip"), "a.bin", "epub"),
        (archive("notes.txt"), "a.docx", "zip"),
        (archive("word/document.xml")[:40], "a.docx", "docx"),
        (ole("WordDocument"), "a.doc", "doc"),
        (ole("EncryptedPackage"), "a.docx", "encrypted office"),
        (OLE, "a.bin", "ole"),
        (b"\x1f\x8b\x08\x00", "a.tar.gz", "gzip"),
        (b"{\\rtf1 hello}", "a.doc", "rtf"),
        (b"\x89PNG\r\n\x1a\n....", "picture.txt", "png"),
        (b"# Title\n", "a.md", "markdown"),
        (b"# Title\n", "a.MD", "markdown"),
        (b"Title\n=====\n", "a.rst", "rst"),
        (b"<!DOCTYPE html><p>x", "a.txt", "html"),
        (b"\xef\xbb\xbf\n<html><p>x", "a", "html"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "a.xml", "html"),
        (b"<p>fragment", "a.htm", "html"),
        (b"a,b\n1,2\n", "a.csv", "csv"),
        (b"a\tb\n", "a.tsv", "tsv"),
        (b'{"a": 1}\n', "a.jsonl", "jsonl"),
        (b"print(1)\n", "a.py", "code"),
        (b"plain words", "README", "text"),
        (b"From: a@b.c\n\nhello", "a.eml", "eml"),
        ("smørrebrød".encode("cp1252"), "a.txt", "text"),
        ("hello".encode("utf-16"), "a.txt", "text"),
        (bytes(range(256)) * 4, "a.txt", None),
        (bytes(1000), "a.bin", None),
    ],
)
def test_sniff(data: bytes, name: str, kind: str | None) -> None:
    assert sniff(data, name) == kind


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])))
def test_every_readable_text_is_text(text: str) -> None:
    assert looks_like_text(text.encode("utf-8"))


def test_a_character_cut_in_half_does_not_make_a_text_binary() -> None:
    assert looks_like_text("å".encode() * 10 + b"\xc3")


@given(st.binary(max_size=300), st.sampled_from(["a.md", "a.pdf", "a.docx", "a", "a.csv"]))
def test_sniff_never_raises(data: bytes, name: str) -> None:
    for start in (b"", b"PK\x03\x04", b"PK\x05\x06", b"%PDF-", OLE, b"<?xml"):
        kind = sniff(start + data, name)
        assert kind is None or kind
