"""EPUB: chapters in the order of the spine, titles of the contents above them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest

from ingest.errors import UnreadableFile
from ingest.readers.registry import read
from ingest.types import ParsedDocument

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
DC = "http://purl.org/dc/elements/1.1/"
CHAPTERS = {
    "one.xhtml": "<html><head><title/></head><a id='x'/><h1>One</h1><p>first</p></html>",
    "two words.xhtml": "<html><body><p>second</p></body></html>",
}
NAV = (
    '<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="urn:e"><body>'
    '<nav epub:type="landmarks"><ol><li><a href="one.xhtml">Begin</a></li></ol></nav>'
    '<nav epub:type="toc"><h1>Contents</h1><ol><li><a href="one.xhtml">One</a><ol>'
    '<li><a href="two%20words.xhtml#x">The <b>second</b>&nbsp;part</a></li></ol></li></ol></nav>'
    '<nav epub:type="page-list"><ol><li><a href="one.xhtml">12</a></li></ol></nav></body></html>'
)
NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><docTitle><text>T</text></docTitle><navMap>'
    '<navPoint><navLabel><text>One</text></navLabel><content src="one.xhtml"/><navPoint><navLabel>'
    '<text>The second part</text></navLabel><content src="two%20words.xhtml#x"/></navPoint>'
    "</navPoint></navMap><pageList><pageTarget><navLabel><text>9</text></navLabel>"
    '<content src="one.xhtml"/></pageTarget></pageList></ncx>'
)
NAV_ITEM = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
NCX_ITEM = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'


def epub(
    chapters: Mapping[str, str] = CHAPTERS, items: str = "", spine: str = "", **more: str
) -> bytes:
    """A book of these chapters; `items` go into the manifest and `more` into META-INF."""
    listed = "".join(
        f'<item id="c{at}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for at, name in enumerate(chapters)
    )
    order = spine or "".join(f'<itemref idref="c{at}"/>' for at in range(len(chapters)))
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="{DC}"><metadata>'
        "<dc:title>Book</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator>"
        "<dc:date>2024-01-31</dc:date><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}{listed}</manifest><spine>{order}</spine></package>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", package)
        archive.writestr("OEBPS/nav.xhtml", NAV)
        archive.writestr("OEBPS/toc.ncx", NCX)
        for name, page in chapters.items():
            if page:
                archive.writestr(f"OEBPS/{name}", page)
        for name, xml in more.items():
            archive.writestr(f"META-INF/{name}.xml", xml)
    return packed.getvalue()


def parse(data: bytes) -> ParsedDocument:
    parsed, position = read(data, "a.epub"), 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        position = section.end
    return parsed


def headings(parsed: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    return [(s.headings, parsed.text[s.start : s.end]) for s in parsed.sections]


@pytest.mark.parametrize("items", [NAV_ITEM, NCX_ITEM, NAV_ITEM + NCX_ITEM])
def test_chapters_under_their_titles(items: str) -> None:
    parsed = parse(epub(items=items))
    assert parsed.text == "One\n\nfirst\n\nsecond"
    assert parsed.title == "Book"
    assert parsed.metadata == {
        "title": "Book",
        "author": "Ada, Bob",
        "date": "2024-01-31",
        "language": "en",
        "chapters": "2",
    }
    assert headings(parsed) == [
        (("One",), "One\n\nfirst"),
        (("One", "The second part"), "second"),
    ]


@pytest.mark.parametrize("nav", ["", "<nav", "<!DOCTYPE x [<!ENTITY a 'b'>]><nav>&a;</nav>"])
def test_broken_contents_cost_titles_only(nav: str) -> None:
    item = NAV_ITEM.replace("nav.xhtml", "broken.xhtml")
    data = epub(CHAPTERS | {"broken.xhtml": nav}, item, '<itemref idref="c0"/>')
    assert headings(parse(data)) == [(("One",), "One\n\nfirst")]


def test_several_chapters_in_one_file_and_one_chapter_in_several() -> None:
    contents = NCX.replace("two%20words.xhtml#x", "one.xhtml#x")
    two = "<body><h1>One</h1>a<h1>The second part</h1>b<h2>Deeper</h2>c</body>"
    chapters = {"contents.ncx": contents, "one.xhtml": two, "more.xhtml": "<body>d</body>"}
    items = '<item id="n" href="contents.ncx" media-type="application/x-dtbncx+xml"/>'
    spine = '<itemref idref="c1"/><itemref idref="c2"/>'
    assert headings(parse(epub(chapters, items, spine))) == [
        (("One",), "One\n\na"),
        (("One", "The second part"), "The second part\n\nb"),
        (("One", "The second part", "Deeper"), "Deeper\n\nc"),
        (("One",), "d"),
    ]


def test_the_spine_gives_the_order_and_may_be_wrong() -> None:
    spine = '<itemref idref="c1"/><itemref idref="nothing"/><itemref/><itemref idref="c0"/>'
    assert parse(epub(spine=spine)).text == "second\n\nOne\n\nfirst"


def test_missing_chapters_are_named_and_empty_ones_are_not() -> None:
    parsed = parse(epub({**CHAPTERS, "cover.xhtml": "<html><img src='x'/></html>", "gone": ""}))
    assert parsed.text == "One\n\nfirst\n\nsecond"
    assert parsed.metadata["unreadable_chapters"] == "OEBPS/gone"


def protects(name: str) -> str:
    return f'<e xmlns:c="urn:c"><c:CipherReference URI="{name}"/></e>'


def test_a_protected_book() -> None:
    with pytest.raises(UnreadableFile, match="encrypted: protected against copying"):
        read(epub(encryption=protects("OEBPS/two%20words.xhtml")), "a.epub")
    assert parse(epub(encryption=protects("OEBPS/font.otf"))).text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (epub({}), "empty"),
        (epub({"a.xhtml": "<html><p> </p></html>"}), "empty"),
        (epub().replace(b"OEBPS/book.opf", b"OEBPS/look.opf", 1), "corrupt"),
        (epub(spine="<broken"), "corrupt"),
        (epub({"gone.xhtml": ""}), "corrupt"),
    ],
)
def test_unreadable(data: bytes, status: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read(data, "a.epub")
    assert caught.value.status == status


def test_no_reference_leads_out_of_the_book() -> None:
    data = epub({"../../../../etc/passwd": "", "one.xhtml": CHAPTERS["one.xhtml"]})
    parsed = parse(data)
    assert parsed.text == "One\n\nfirst"
    assert parsed.metadata["unreadable_chapters"] == "../../../etc/passwd"


def test_a_zip_made_anew_is_still_a_book() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(epub())) as old, zipfile.ZipFile(packed, "w", 8) as new:
        for name in sorted(old.namelist()):
            new.writestr(name, old.read(name))
    assert parse(packed.getvalue()).text.startswith("One")
