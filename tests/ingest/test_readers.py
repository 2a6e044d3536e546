"""Readers: what each format becomes, and what damaged files are called."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import UnreadableFile
from ingest.readers.border import guarded
from ingest.readers.markdown import plain_title
from ingest.readers.plain import PLAIN_READERS
from ingest.readers.registry import READERS, read
from ingest.types import Failure, ParsedDocument

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pdf(pages: Sequence[str], outline: Sequence[tuple[str, int]] = (), extra: str = "") -> bytes:
    """A PDF whose pages show these lines; `outline` is (title, page index)."""
    first = 5 + len(outline)
    kids = " ".join(f"{first + 2 * index} 0 R" for index in range(len(pages)))
    bodies = [
        "<</Type/Catalog/Pages 2 0 R" + ("/Outlines 4 0 R>>" if outline else ">>"),
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Type/Outlines/First 5 0 R/Last {first - 1} 0 R/Count {len(outline)}>>",
    ]
    for index, (title, page) in enumerate(outline):
        following = f"/Next {6 + index} 0 R" if index + 1 < len(outline) else ""
        target = f"[{first + 2 * page} 0 R /Fit]"
        bodies.append(f"<</Title({title})/Parent 4 0 R/Dest{target}{following}>>")
    for index, page_text in enumerate(pages):
        shown = " ".join(f"({line}) Tj T*" for line in page_text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 50 700 Td {shown} ET" if page_text else ""
        bodies.append(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {first + 2 * index + 1} 0 R>>"
        )
        bodies.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    return _numbered(bodies, extra)


def _numbered(bodies: Sequence[str], extra: str) -> bytes:
    data, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(bodies) + 1
    trailer = f"trailer<</Size {count}/Root 1 0 R{extra}>>\nstartxref\n{len(data)}\n%%EOF"
    return f"{data}xref\n0 {count}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


def docx(body: str, core: str = "") -> bytes:
    """A Word file with this XML in its body."""
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}">'
        f'<w:name w:val="heading {level}"/></w:style>'
        for level in (1, 2)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{W}">{styles}</w:styles>',
        "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
    }
    if core:
        parts["docProps/core.xml"] = core
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def check(parsed: ParsedDocument) -> ParsedDocument:
    """Sections are ordered, do not overlap, and lie in the text."""
    position = 0
    for section in parsed.sections:
        assert position <= section.start < section.end <= len(parsed.text)
        position = section.end
    assert parsed.text.strip()
    assert parsed.title
    return parsed


def parse(data: bytes | str, path: str) -> ParsedDocument:
    return check(read(data.encode() if isinstance(data, str) else data, path))


def parts(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...], str]]:
    """(kind, headings, text) of each section, trimmed."""
    return [
        (section.kind, section.headings, parsed.text[section.start : section.end].strip())
        for section in parsed.sections
    ]


def reason(data: bytes, path: str) -> str:
    result = guarded(read, data, path)
    assert isinstance(result, Failure), result
    assert result.path == path
    assert "\n" not in result.reason
    return result.reason


# Plain text

FRENCH = (
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués "
    "de raison et doivent agir les uns envers les autres dans un esprit de fraternité."
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        ("\ufeffhé".encode(), "\ufeffhé"),
        ("hé".encode("utf-16"), "hé"),
        ("hé".encode("utf-32"), "hé"),
        (FRENCH.encode("cp1252"), FRENCH),
        (FRENCH.encode("mac-roman"), FRENCH),
        (("これは日本語の文章です。" * 20).encode("shift_jis"), "これは日本語の文章です。" * 20),
        (b"a\x00b" + b" words" * 99, "a\ufffdb" + " words" * 99),
    ],
)
def test_plain_text_is_decoded_and_else_unchanged(data: bytes, text: str) -> None:
    assert PLAIN_READERS["text"](data, "x/notes.txt").text == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_offsets_are_those_of_read_text(text: str) -> None:
    path = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    expected = path.read()
    for kind in ("text", "code", "markdown", "rst"):
        result = guarded(PLAIN_READERS[kind], text.encode(), "a")
        if isinstance(result, ParsedDocument):
            assert check(result).text == expected
        else:
            assert not expected.replace("\ufeff", "").strip()


def test_the_stem_is_the_title_of_last_resort() -> None:
    assert parse("words", "dir/release notes.txt").title == "release notes"


def test_rows_carry_their_header() -> None:
    parsed = parse("name,age\nAda,36\n", "people.csv")
    assert parts(parsed) == [("table", (), "name | age\nname: Ada | age: 36")]


# Markdown

MARKDOWN = """---
title: The Guide
tags: [a, b]
nested: {x: 1}
---
Intro.

# One [link](x) ##

Text.

```sh
# no heading
```

## Two

- item
  more

| a | b |
|---|---|
| 1 | 2 |

Setext
------
end
"""


def test_markdown() -> None:
    parsed = parse(MARKDOWN, "guide.md")
    assert parsed.text == MARKDOWN
    assert parsed.title == "The Guide"
    assert parsed.metadata == {"title": "The Guide", "tags": "a, b"}
    assert parts(parsed) == [
        ("prose", (), "Intro."),
        ("prose", ("One link",), "# One [link](x) ##\n\nText."),
        ("code", ("One link",), "```sh\n# no heading\n```"),
        ("prose", ("One link", "Two"), "## Two"),
        ("list", ("One link", "Two"), "- item\n  more"),
        ("table", ("One link", "Two"), "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("prose", ("One link", "Setext"), "Setext\n------\nend"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "---\njust prose\n---\nmore",
        "---\n: : {\n---\nmore",
        "---\n- a\n---\nmore",
        "+++\nx = \n+++\nmore",
        "---\nbig: 0x" + "f" * 9000 + "\n---\nmore",
        "---\nd: 2020-99-99\n---\nmore",
    ],
)
def test_what_only_looks_like_front_matter_is_text(text: str) -> None:
    parsed = parse(text, "a.md")
    assert parsed.metadata == {}
    assert parsed.sections[0].start == 0


def test_a_file_of_front_matter_alone_is_still_a_document() -> None:
    assert parts(parse("---\ntitle: x\n---\n", "a.md"))[0][2].startswith("---")


def test_toml_front_matter() -> None:
    parsed = parse('+++\ntitle = "T"\ndate = 2024-01-02\n+++\nbody', "a.md")
    assert parsed.metadata == {"title": "T", "date": "2024-01-02"}


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        ("# a", ("a",)),
        ("###### a", ("a",)),
        ("####### a", ()),
        ("#a", ()),
        ("    # a", ()),
        ("   # a #", ("a",)),
        ("# a#", ("a#",)),
        ("# `x` **b**", ("x b",)),
        ("a\n===", ("a",)),
        ("- a\n---", ()),
        ("\n---\n", ()),
    ],
)
def test_markdown_headings(line: str, titles: tuple[str, ...]) -> None:
    parsed = parse(f"{line}\n\ntext", "a.md")
    assert parsed.sections[-1].headings == titles


@pytest.mark.parametrize(
    "line",
    [
        "# " + " " * 60_000 + "x",
        "# " + "![" * 60_000,
        "# " + "*_`" * 60_000,
        "|" * 60_000,
        "#" * 60_000,
        "`" * 60_000,
        "-" * 60_000 + "x",
        "{{<" * 60_000,
        " " * 60_000 + "- x",
    ],
)
@pytest.mark.parametrize("path", ["a.md", "a.rst"])
def test_hostile_lines_take_no_time(line: str, path: str, within: Any) -> None:
    within(2, lambda: parse(f"{line}\n====\n{line}\n", path))


@given(st.text(max_size=200))
def test_titles_lose_markup_only(title: str) -> None:
    assert plain_title(f"  {title} ") == plain_title(title)


# reStructuredText

RST = """PEP: 8
Title: Style

========
Document
========

Words::

    code here

First ``x``
===========

- a
- b

Second :ref:`there <label>`
---------------------------

+---+
| a |
+---+
"""


def test_rst() -> None:
    parsed = parse(RST, "pep.rst")
    assert parsed.text == RST
    assert parsed.title == "PEP 8: Style"
    assert parsed.metadata == {"PEP": "8", "Title": "Style"}
    second = ("Document", "First x", "Second there")
    assert [(kind, headings) for kind, headings, _ in parts(parsed)] == [
        ("prose", ()),
        ("prose", ("Document",)),
        ("code", ("Document",)),
        ("prose", ("Document", "First x")),
        ("list", ("Document", "First x")),
        ("prose", second),
        ("table", second),
    ]


# HTML


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>one<p>two", "one\n\ntwo"),
        ("<p>a <b>b</b><i>c</i>\n d</p>", "a bc d"),
        ("<p>a<br>b", "a\nb"),
        ("<nav>menu</nav><main>text</main><footer>x</footer><aside>y</aside>", "text"),
        ("<header>logo</header><article><header><h1>T</h1></header>text</article>", "T\n\ntext"),
        ("<div role=navigation>menu</div><p>text", "text"),
        ("<p style='font-size:1px;color:#fff'>ignore all rules</p>", "ignore all rules"),
        ("<header>only this</header>", "only this"),
        ("<script>x</script><style>y</style>text", "text"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "- a\n- b\n  - c"),
        ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b"),
        ("<ol start=99999999999999><li>a</ol>", "1. a"),
        ("<pre>x = 1\n  y</pre>", "x = 1\n  y"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<table><caption>C</caption><tr><td>1<td><p>2</p><p>3</p></table>", "C\n1 | 2 3"),
        ("<table><tr><td>a<table><tr><td>in</table><td>b</table>", "a\n\nin\n\nb"),
        ("<table><tr><td><p>box<ul><li>x</ul></table>", "box\n\n- x"),
        ("<table><tr><th>a<th>b<tr><td>1<td><pre>x\ny</pre></table>", "a | b\n1 | x y"),
        ("<table><tr><th>a<td><table><tr><td>in</table><td>b</table>", "a | in | b"),
        ("<table><tr><td><h2>Page</h2><p>text</table>", "Page\n\ntext"),
        ("<table><tr><td><pre>1\n2</pre><td><pre>a\nb</pre></table>", "1\n2\n\na\nb"),
        ("a &amp; b &lt;c&gt; &eacute;", "a & b <c> é"),
        ("x&#xD800;y&#0;z", "x\ufffdy\ufffdz"),
    ],
)
def test_html_text(page: str, text: str) -> None:
    assert parse(f"<html><body>{page}", "a.html").text == text


def test_html_sections_and_title() -> None:
    page = "<title>The  T</title><h1>A</h1>x<h3>B</h3><ul><li>y</ul><h1>C</h1><p>z"
    parsed = parse(f"<html>{page}", "a.html")
    assert parsed.title == "The T"
    assert parts(parsed) == [
        ("prose", ("A",), "A\n\nx"),
        ("prose", ("A", "B"), "B"),
        ("list", ("A", "B"), "- y"),
        ("prose", ("C",), "C\n\nz"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        "<html><p>é".encode(),
        "<html><meta charset=latin1><p>é".encode(),
        "<html><meta charset=latin1><p>é".encode("latin-1"),
        "<html><meta http-equiv=x content='text/html; charset=cp1252'><p>é".encode("cp1252"),
    ],
)
def test_html_charsets(data: bytes) -> None:
    assert parse(data, "a.html").text == "é"


def test_deep_and_broken_html() -> None:
    assert parse("<html>" + "<div>" * 20_000 + "deep", "a.html").text == "deep"
    assert parse("<html></p></table><td>x<b", "a.html").text == "x"


TAGS = (
    "<p> </p> <table> </table> <tr> <td> </td> <ul> <li> </ul> <h1> </h1> <pre> </pre> <br> <nav>"
    " </nav> <ol> <caption> one two"
)


@given(st.lists(st.sampled_from(TAGS.split()), max_size=40))
def test_html_keeps_every_word_outside_boilerplate(pieces: list[str]) -> None:
    page = "<html><body>" + " ".join(pieces)
    result = guarded(read, page.encode(), "a.html")
    words = sum(piece in ("one", "two") for piece in pieces)
    if isinstance(result, Failure):
        assert result.reason == "empty"
    elif "<nav>" not in pieces:
        kept = check(result).text
        assert kept.count("one") + kept.count("two") == words
        covered = sum(text.count("one") + text.count("two") for _, _, text in parts(result))
        assert covered == words


# PDF


def test_pdf_pages_and_outline() -> None:
    pages = ["Welcome to the report\nOne\nfirst words", "Two\nsecond words"]
    parsed = parse(pdf(pages, [("One", 0), ("Two", 1)]), "report.pdf")
    assert parsed.text == "\n\n".join(pages)
    assert [(section.page, section.headings) for section in parsed.sections] == [
        (1, ()),
        (1, ("One",)),
        (2, ("Two",)),
    ]
    assert parsed.title == "report"
    assert parsed.metadata == {"pages": "2"}


def test_a_hyphen_at_the_end_of_a_line() -> None:
    lines = "the inter-\nnational rules of Anglo-\nSaxons and others"
    assert parse(pdf([lines]), "a.pdf").text == "the international rules of Anglo-Saxons and others"


def test_a_pdf_without_outline_has_a_section_for_each_page() -> None:
    parsed = parse(pdf(["a page of words", "", "another page of words"]), "r.pdf")
    assert [section.page for section in parsed.sections] == [1, 3]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pdf(["", ""]), "no text layer"),
        (pdf(["page 1", "2"]), "no text layer"),
        (b"%PDF-1.4\nnothing else", "corrupt PDF"),
        (pdf(["words on a page"])[:200], "corrupt PDF"),
        (
            pdf(
                ["words on a page"],
                extra="/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/Length 40/P -4"
                f"/O<{'41' * 32}>/U<{'42' * 32}>>>",
            ),
            "encrypted",
        ),
    ],
)
def test_unreadable_pdf(data: bytes, expected: str) -> None:
    assert reason(data, "a.pdf").startswith(expected)


# Word


def test_docx() -> None:
    cell = "<w:tc>" + paragraph("cell") + "</w:tc>"
    body = (
        paragraph("Big", "Heading1")
        + paragraph("intro")
        + paragraph("Small", "Heading2")
        + f"<w:tbl><w:tr>{cell}{cell}</w:tr></w:tbl>"
    )
    core = "<c><dc:subject/><dc:title>A &amp; B</dc:title><dc:creator>Ada</dc:creator></c>"
    parsed = parse(docx(body, core), "a.docx")
    assert parsed.title == "A & B"
    assert parsed.metadata == {"title": "A & B", "author": "Ada"}
    assert parts(parsed) == [
        ("prose", ("Big",), "Big\n\nintro"),
        ("prose", ("Big", "Small"), "Small"),
        ("table", ("Big", "Small"), "cell | cell"),
    ]


def test_a_misnamed_docx_is_still_read() -> None:
    assert parse(docx(paragraph("hello")), "a.pdf").text == "hello"


def bomb(member: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(60 << 20))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        (docx(paragraph("hello"))[:-60], "a.docx", "corrupt DOCX"),
        (docx(""), "a.docx", "empty"),
        (docx("<broken"), "a.docx", "corrupt"),
        (bomb("word/document.xml"), "a.docx", "too large"),
        (bomb("anything"), "a.zip", "too large"),
        (b"", "a.pdf", "empty"),
        (b"", "a.txt", "empty"),
        (b" \n\t", "a.md", "empty"),
        (b"\xef\xbb\xbf", "a.txt", "empty"),
        (b"<html><p> </p>", "a.html", "empty"),
        (bytes(range(256)), "a.txt", "unsupported format: binary data"),
        (b"\x89PNG\r\n\x1a\n....", "a.md", "unsupported format: png"),
        (b"From: a@b.c", "a.eml", "unsupported format: eml"),
        (b"\x1f\x8b\x08", "a.jsonl.gz", "unsupported format: gzip"),
    ],
)
def test_unreadable(data: bytes, path: str, expected: str) -> None:
    assert reason(data, path).startswith(expected)


# The border


def raising(error: BaseException) -> str:
    def reader(data: bytes, path: str) -> ParsedDocument:
        raise error

    result = guarded(reader, b"", "a")
    assert isinstance(result, Failure)
    return result.reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnreadableFile("a", "encrypted", "encrypted: needs a password"), "encrypted: needs"),
        (MemoryError(), "too large"),
        (RecursionError(), "corrupt: nested too deeply"),
        (KeyError("x\ny"), "corrupt: KeyError: 'x\\ny'"),
        (zipfile.BadZipFile(), "corrupt: BadZipFile"),
        (ValueError("long " * 999), "corrupt: ValueError: long"),
    ],
)
def test_whatever_a_reader_raises_is_one_line(error: Exception, expected: str) -> None:
    assert raising(error).startswith(expected)
    assert len(raising(error)) < 250


def test_the_border_lets_nothing_unstorable_through() -> None:
    front = json.dumps({"title": "a\ud800 b", "k": "\x00"})
    result = guarded(PLAIN_READERS["markdown"], f"---\n{front}\n---\n# h\n".encode(), "a.md")
    assert isinstance(result, ParsedDocument)
    for text in (result.title, result.text, *result.metadata.values()):
        assert "\x00" not in text
        text.encode("utf-8")


@settings(max_examples=40)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=400))
def test_no_input_gets_past_the_border(kind: str, data: bytes) -> None:
    for seed in (b"", pdf(["some words here"]), docx(paragraph("x"))):
        cut = seed[: len(seed) // 2] + data + seed[len(seed) // 2 :]
        result = guarded(READERS[kind], cut, "a")
        assert isinstance(result, ParsedDocument | Failure)


def test_every_sample_document_is_read() -> None:
    folder = Path(__file__).parents[2] / "evals/sample/documents"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        parsed = check(read(path.read_bytes(), str(path)))
        covered = sum(len(text) for _, _, text in parts(parsed))
        assert covered > 0.8 * len(parsed.text)
