"""Tables of PDF pages: found by geometry, kept as rows, and no word lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pypdfium2 as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.readers.pdf_tables import Table, blocks
from ingest.readers.registry import read
from ingest.types import ParsedDocument

Placed = tuple[float, float, str]
Line = tuple[float, float, float, float]
HEADER = ("Part", "Price", "Stock")
ROWS = (("Rope", "12.50", "7"), ("Anchor", "1,120.00", "12"), ("Buoy", "8.00", "140"))
PROSE = (
    "The vessel leaves the pier when the gate is",
    "closed and the master has given the word to",
    "the crew. Nobody stands in the bight of a",
    "rope while it is under load, and nobody may",
    "step over it. Report what you see.",
)


def pdf(
    pages: Sequence[tuple[Iterable[Placed], Iterable[Line]]],
    titles: Sequence[str] = (),
    font: str = "Helvetica",
    rotate: int = 0,
) -> bytes:
    """A PDF whose pages show words at places, 10 points high, and lines; `titles` of page 1."""
    first = 4 + len(titles) + bool(titles)
    kids = " ".join(f"{first + 2 * at} 0 R" for at in range(len(pages)))
    outline = "/Outlines 4 0 R" if titles else ""
    bodies = [
        f"<</Type/Catalog/Pages 2 0 R{outline}>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>",
        f"<</Type/Font/Subtype/Type1/BaseFont/{font}>>",
    ]
    if titles:
        bodies.append(f"<</First 5 0 R/Last {first - 1} 0 R/Count {len(titles)}>>")
    for at, title in enumerate(titles):
        following = f"/Next {6 + at} 0 R" if at + 1 < len(titles) else ""
        bodies.append(f"<</Title({title})/Parent 4 0 R/Dest[{first} 0 R/Fit]{following}>>")
    for at, (words, lines) in enumerate(pages):
        shown = [f"BT /F1 10 Tf {x} {y} Td ({word}) Tj ET" for x, y, word in words]
        drawn = [f"{a} {b} m {c} {d} l S" for a, b, c, d in lines]
        stream = "\n".join([*drawn, *shown])
        bodies.append(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Rotate {rotate}/Contents {first + 2 * at + 1} 0 R>>"
        )
        bodies.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    data = "%PDF-1.4\n"
    for number, body in enumerate(bodies, 1):
        data += f"{number} 0 obj\n{body}\nendobj\n"
    # PDFium builds the table of objects anew.
    return f"{data}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF".encode("latin-1")


def cells(rows: Iterable[Sequence[str]], top: float, xs: Sequence[float] = (60, 200, 320)):
    return [
        (x, top - 16 * at, cell)
        for at, row in enumerate(rows)
        for x, cell in zip(xs, row, strict=False)
        if cell
    ]


def grid(count: int, top: float, xs: Sequence[float] = (55, 195, 315, 420)) -> list[Line]:
    bottom = top + 12 - 16 * count
    level = [(xs[0], top + 12 - 16 * at, xs[-1], top + 12 - 16 * at) for at in range(count + 1)]
    return [*level, *((x, top + 12, x, bottom) for x in xs)]


def prose(top: float, lines: Iterable[str] = PROSE, x: float = 60) -> list[Placed]:
    return [(x, top - 12 * at, line) for at, line in enumerate(lines)]


def tables(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[s.start : s.end] for s in parsed.sections if s.kind == "table"]


NAMED = """Part | Price | Stock
Part: Rope | Price: 12.50 | Stock: 7
Part: Anchor | Price: 1,120.00 | Stock: 12
Part: Buoy | Price: 8.00 | Stock: 140"""
TABLE = [HEADER, *ROWS]
WIDTHS = {"1": 5.56, ",": 2.78, ".": 2.78}


def right_aligned(top: float) -> list[Placed]:
    """The same table with its numbers ending where their columns end."""
    width = [sum(WIDTHS.get(char, 5.56) for char in row[1]) for row in TABLE]
    last = [5.56 * len(row[2]) for row in TABLE]
    return [
        placed
        for at, row in enumerate(TABLE)
        for placed in (
            (60, top - 16 * at, row[0]),
            (240 - width[at], top - 16 * at, row[1]),
            (320 - last[at], top - 16 * at, row[2]),
        )
    ]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (cells(TABLE, 600), grid(4, 600)),
        (cells(TABLE, 600), ()),
        (right_aligned(600), ()),
        (cells(TABLE, 600), [(55, y, 420, y) for y in (612, 596, 544)]),
        # Column after column, as some programs write them.
        (sorted(cells(TABLE, 600)), grid(4, 600)),
        # Rules across and around only: the lines within them are rows.
        (
            cells(TABLE, 600),
            [*grid(1, 600), *grid(1, 552)[1:2], *((x, 612, x, 548) for x in (55, 195, 315, 420))],
        ),
    ],
    ids=["ruled", "aligned", "right", "booktabs", "by column", "frame"],
)
def test_a_table_is_rows_with_their_names(words: list[Placed], lines: Iterable[Line]) -> None:
    data = pdf([(prose(700) + words + prose(480), lines)])
    parsed = read(data, "a.pdf")
    assert tables(parsed) == [NAMED]
    start = parsed.text.index(NAMED)
    assert parsed.text[:start].split() == " ".join(PROSE).split()
    assert parsed.text[start + len(NAMED) :].split() == " ".join(PROSE).split()


def test_a_ruled_table_with_wrapped_and_wide_cells() -> None:
    words = [
        *((60, 600, "Measure"), (200, 600, "Since")),
        *((60, 584, "No berthing in"), (60, 572, "strong gusts"), (200, 578, "May")),
        (60, 556, "all of these hold until further notice"),
    ]
    lines = [
        *((55, y, 420, y) for y in (612, 596, 568, 552)),
        *((55, 612, 55, 552), (420, 612, 420, 552), (195, 612, 195, 568)),
    ]
    parsed = read(pdf([(words, lines)]), "a.pdf")
    assert tables(parsed) == [
        "Measure | Since\nNo berthing in strong gusts | May\nall of these hold until further notice"
    ]


@pytest.mark.parametrize("again", [False, True])
def test_a_table_over_two_pages_keeps_its_header(again: bool) -> None:
    more = [("Chain", "40.00", "3"), ("Hook", "2.20", "900"), ("Cleat", "5.10", "61")]
    rest = [HEADER, *more] if again else more
    foot, head = [(300.0, 40.0, "Page 1")], [(60.0, 750.0, "Price list")]
    data = pdf([
        (cells(TABLE, 120) + foot, grid(4, 120)),
        (head + cells(rest, 720), grid(len(rest), 720)),
    ])  # fmt: skip
    parsed = read(data, "a.pdf")
    first, second = tables(parsed)
    assert first == NAMED
    assert second.split("\n")[-1] == "Part: Cleat | Price: 5.10 | Stock: 61"
    assert second.split("\n")[0] == (
        "Part | Price | Stock" if again else "Part: Chain | Price: 40.00 | Stock: 3"
    )
    assert [s.page for s in parsed.sections if s.kind == "table"] == [1, 2]


def test_a_page_shown_turned() -> None:
    words = [(600 - y, x, word) for x, y, word in cells(TABLE, 600)]
    turned = "\n".join(f"BT /F1 10 Tf 0 1 -1 0 {100 + x} {y} Tm ({w}) Tj ET" for x, y, w in words)
    data = pdf([([], [])], rotate=90).replace(b"stream\n\nendstream", b"stream\n#\nendstream")
    data = data.replace(b"<</Length 0>>", f"<</Length {len(turned)}>>".encode())
    assert tables(read(data.replace(b"#", turned.encode()), "a.pdf")) == [NAMED]


def test_headings_around_a_table_come_from_the_outline() -> None:
    words = [
        *((60, 740, "Prices"), *cells(TABLE, 700)),
        *((60, 600, "Terms"), *prose(580), *cells(TABLE, 480)),
    ]
    parsed = read(pdf([(words, ())], titles=("Prices", "Terms")), "a.pdf")
    found = [(s.headings, s.kind) for s in parsed.sections]
    assert found == [
        (("Prices",), "prose"),
        (("Prices",), "table"),
        (("Terms",), "prose"),
        (("Terms",), "table"),
    ]


def side_by_side(top: float, columns: int) -> list[Placed]:
    """Prose in columns, line by line across them."""
    return [
        (40 + 540 / columns * column, top - 12 * at, line[: 96 // columns])
        for at, line in enumerate(PROSE * 2)
        for column in range(columns)
    ]


CONTENTS = [(str(n), f"Chapter on {word}", str(3 * n)) for n, (word, *_) in enumerate(ROWS * 3, 1)]
CODE = [("x = f(1);", "y = g(2);", "// sum"), ("x += 1;", "y -= 2;", "// step")] * 3


@pytest.mark.parametrize(
    "words",
    [
        prose(700),
        side_by_side(700, 2),
        side_by_side(700, 3),
        sorted(side_by_side(700, 2)),
        cells(CONTENTS, 700),
        [(60, 700 - 14 * n, f"{n}. Item {'. ' * 40} {n}") for n in range(1, 9)],
        cells(CODE, 700),
        [(60 + 20 * (n % 3), 700 - 12 * n, f"if n == {n}: return") for n in range(9)],
        [p for n in range(6) for p in ((60, 700 - 14 * n, "-"), (75, 700 - 14 * n, f"item {n}"))],
        [(60, 700, "Name:"), (300, 700, "Date:"), (60, 680, "Address of the owner:")],
        [(50 + 120 * n, 700, word) for n, word in enumerate(("Home", "About", "Contact"))],
    ],
)
def test_what_is_no_table(words: list[Placed]) -> None:
    assert tables(read(pdf([(words, ())]), "a.pdf")) == []


@pytest.mark.parametrize(
    "lines",
    [
        [(40, 760, 570, 760), (40, 60, 570, 60), (40, 40, 570, 40)],
        [*grid(1, 700, (40, 570)), (40, 700, 570, 700)],
        [(40, 760, 570, 760), (40, 40, 570, 40), (40, 40, 40, 760), (570, 40, 570, 760)],
        [(40, 300 + 40 * n, 570, 300 + 40 * n) for n in range(9)] + [(40, 300, 40, 620)],
    ],
    ids=["head and foot", "box", "border", "chart"],
)
def test_rules_alone_are_no_table(lines: list[Line]) -> None:
    assert tables(read(pdf([(side_by_side(740, 2), lines)]), "a.pdf")) == []


WORDS = st.sampled_from(["a", "of", "Rope", "12.50", "7", "1,120", "x-y", "(see", "B21.", "und"])
SPOTS = st.integers(3, 28).map(lambda n: 20.0 * n)
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(
        st.tuples(SPOTS, SPOTS, TEXTS.map(lambda text: text.replace("(", "\\("))), max_size=60
    ),
    level=st.lists(st.tuples(SPOTS, SPOTS, SPOTS), max_size=9),
    upright=st.lists(st.tuples(SPOTS, SPOTS, SPOTS), max_size=9),
    aligned=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=6),
    rotate=st.sampled_from([0, 90, 180, 270]),
)
def test_no_word_is_lost_or_doubled(
    words: list[Placed],
    level: list[tuple[float, float, float]],
    upright: list[tuple[float, float, float]],
    aligned: list[tuple[str, str, str]],
    rotate: int,
) -> None:
    lines = [(a, y, b, y) for a, b, y in level] + [(x, a, x, b) for a, b, x in upright]
    table = [(x, y, w.replace("(", "\\(")) for x, y, w in cells(aligned, 700)]
    document = pdfium.PdfDocument(pdf([(words + table, lines)], rotate=rotate))
    page = document[0]
    textpage = page.get_textpage()
    text = textpage.get_text_range()
    found = blocks(page, textpage, text)
    said = [
        word
        for block in found
        for cell in ([block] if isinstance(block, str) else sum(block.rows, ()))
        for word in cell.split()
    ]
    assert Counter(said) == Counter(text.split())
    assert all(len(b.rows[0]) == len(b.cuts) + 1 for b in found if isinstance(b, Table))
    document.close()
