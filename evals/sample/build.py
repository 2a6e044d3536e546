"""Builds the PDF and DOCX documents of the sample knowledge base from sources/*.md.

The built files are committed, so nobody needs to run this in order to use them. It needs
two libraries that Surefoot itself does not: `pip install fpdf2 python-docx`, and then
`python evals/sample/build.py`. With the same library versions the same bytes come out.

A source begins with `target:`, `title:` and `subtitle:` lines. After them it may hold
`#` headings, paragraphs on one line, `-` and `1.` lists and tables, and nothing else.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import docx
from fpdf import FPDF
from fpdf.enums import XPos, YPos

HERE = Path(__file__).parent
PUBLISHER = "Merrow Sound Ferries"
MADE = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
Block = tuple[str, list[str]]


def read(source: Path) -> tuple[dict[str, str], list[Block]]:
    """The header fields of a source, and its blocks as (kind, lines)."""
    head, _, body = source.read_text(encoding="utf-8").partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return fields, list(blocks(body))


def blocks(body: str) -> Iterator[Block]:
    for part in re.split(r"\n\s*\n", body.strip()):
        lines = part.splitlines()
        if lines[0].startswith("# "):
            yield "heading", [lines[0][2:]]
        elif lines[0].startswith("- "):
            yield "bullets", [line[2:] for line in lines]
        elif lines[0].startswith("1. "):
            yield "numbers", [line.split(". ", 1)[1] for line in lines]
        elif lines[0].startswith("|"):
            yield "table", lines
        else:
            yield "text", [" ".join(lines)]


def cells(lines: list[str]) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [rows[0], *rows[2:]]


class Paper(FPDF):  # type: ignore[misc, unused-ignore]
    """An A4 page with the publisher and the title on top and a number below."""

    heading = ""

    def header(self) -> None:
        self.set_font("helvetica", size=8)
        self.cell(0, 6, f"{PUBLISHER}: {self.heading}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("helvetica", size=8)
        self.cell(0, 6, f"Page {self.page_no()} of {{nb}}", align="C")

    def paragraph(self, text: str, size: float = 10.5, style: str = "", indent: float = 0) -> None:
        self.set_font("helvetica", style, size)
        self.set_x(self.l_margin + indent)
        self.multi_cell(0, size * 0.5, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def write_pdf(fields: dict[str, str], body: list[Block], path: Path) -> None:
    pdf = Paper()
    pdf.heading = fields["title"]
    pdf.set_title(fields["title"])
    pdf.set_author(PUBLISHER)
    pdf.set_creation_date(MADE)
    pdf.set_margins(22, 16)
    pdf.set_auto_page_break(True, margin=22)
    pdf.add_page()
    pdf.paragraph(fields["title"], 18, "B")
    pdf.ln(2)
    pdf.paragraph(fields["subtitle"], 10, "I")
    for kind, lines in body:
        pdf.ln(5 if kind == "heading" else 2.5)
        if kind == "heading":
            if pdf.will_page_break(30):  # a heading never stands alone at the foot
                pdf.add_page()
            pdf.start_section(lines[0])
            pdf.paragraph(lines[0], 13, "B")
        elif kind == "table":
            pdf.set_font("helvetica", size=9.5)
            rows = cells(lines)
            wide = tuple(min(max(9, *map(len, x)), 50) for x in zip(*rows, strict=True))
            with pdf.table(col_widths=wide, text_align="LEFT", line_height=5.4, padding=1) as grid:
                for row in rows:
                    grid.row(row)
        else:
            for number, line in enumerate(lines, 1):
                mark = {"bullets": "- ", "numbers": f"{number}. "}.get(kind, "")
                pdf.paragraph(mark + line, indent=5 if mark else 0)
    pdf.output(str(path))


def write_docx(fields: dict[str, str], body: list[Block], path: Path) -> None:
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = fields["title"], PUBLISHER, ""
    properties.created = properties.modified = MADE.replace(tzinfo=None)
    document.add_heading(fields["title"], level=1)
    document.add_paragraph(fields["subtitle"], style="Subtitle")
    styles = {"bullets": "List Bullet", "numbers": "List Number"}
    for kind, lines in body:
        if kind == "heading":
            document.add_heading(lines[0], level=2)
        elif kind == "table":
            rows = cells(lines)
            table = document.add_table(rows=0, cols=len(rows[0]), style="Light Grid Accent 1")
            for row in rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
            document.add_paragraph()
        else:
            for line in lines:
                document.add_paragraph(line, style=styles.get(kind))
    raw = BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():  # the same date on every part, so that builds can be compared
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)


def main() -> None:
    for source in sorted((HERE / "sources").glob("*.md")):
        fields, body = read(source)
        path = HERE / "documents" / fields["target"]
        path.parent.mkdir(parents=True, exist_ok=True)
        (write_pdf if path.suffix == ".pdf" else write_docx)(fields, body, path)
        print(f"{path.relative_to(HERE)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
