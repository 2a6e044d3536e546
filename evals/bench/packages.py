"""Small office files, written as the XML in a ZIP file that they are.

The libraries that read such files live in `ingest`, and nothing here asks them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

WORD = "gannet"
"""Stands in the text of every specimen but those of the sample."""
TEXT = f"A {WORD} dives from thirty metres. File #number#."

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_OFFICE = "http://schemas.openxmlformats.org"
_RELATIONS = f"{_OFFICE}/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"


def archive(members: Mapping[str, bytes] | Mapping[str, str]) -> bytes:
    """A ZIP file. A member called "mimetype" is stored as it is, which some formats ask for."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            kept = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            # With a fixed time: the same members are the same bytes.
            file.writestr(zipfile.ZipInfo(name), data, compress_type=kept)
    return packed.getvalue()


def packages() -> dict[str, bytes]:
    """A small file of each format that is XML in a ZIP file, by name."""
    return {
        "nests.xlsx": archive(_workbook()),
        "talk.pptx": archive(_slides()),
        "notes.odt": archive(_open_document("text", _open_text())),
        "nests.ods": archive(_open_document("spreadsheet", _open_sheet())),
        "book.epub": archive(_book()),
    }


def _relations(*pairs: tuple[str, str]) -> str:
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(pairs, 1)
    )
    return (
        f'{_XML}<Relationships xmlns="{_OFFICE}/package/2006/relationships">{links}</Relationships>'
    )


def _content_types(parts: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPES}.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return (
        f'{_XML}<Types xmlns="{_OFFICE}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        f'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f"{overrides}</Types>"
    )


def _workbook() -> dict[str, str]:
    main = f'xmlns="{_OFFICE}/spreadsheetml/2006/main" xmlns:r="{_RELATIONS}"'
    kinds = {
        "xl/workbook.xml": "spreadsheetml.sheet.main",
        "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
        "xl/sharedStrings.xml": "spreadsheetml.sharedStrings",
        "xl/styles.xml": "spreadsheetml.styles",
    }
    strings = "".join(f"<si><t>{text}</t></si>" for text in ("isle", "nests", "Skarra", TEXT))
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
        '<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>12</v></c>'
        '<c r="C2" s="1"><v>46146</v></c><c r="D2" t="s"><v>3</v></c></row>'
        '<row r="3"><c r="A3" t="inlineStr"><is><t>Hestray</t></is></c>'
        '<c r="B3"><v>7.5</v></c></row>'
    )
    styles = (
        '<fonts count="1"><font/></fonts><fills count="1"><fill><patternFill/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2">'
        '<xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
    )
    return {
        "[Content_Types].xml": _content_types(kinds),
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{_XML}<workbook {main}><sheets><sheet name="Nests" sheetId="1"'
        ' r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            ("worksheet", "worksheets/sheet1.xml"),
            ("sharedStrings", "sharedStrings.xml"),
            ("styles", "styles.xml"),
        ),
        "xl/worksheets/sheet1.xml": f'{_XML}<worksheet {main}><dimension ref="A1:D3"/>'
        f"<sheetData>{rows}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f'{_XML}<sst {main} count="4" uniqueCount="4">{strings}</sst>',
        "xl/styles.xml": f"{_XML}<styleSheet {main}>{styles}</styleSheet>",
    }


def _slides() -> dict[str, str]:
    spaces = (
        f'xmlns:a="{_OFFICE}/drawingml/2006/main" xmlns:r="{_RELATIONS}"'
        f' xmlns:p="{_OFFICE}/presentationml/2006/main"'
    )
    kinds = {
        "ppt/presentation.xml": "presentationml.presentation.main",
        "ppt/slides/slide1.xml": "presentationml.slide",
    }
    cells = "".join(
        f"<a:tc><a:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>"
        for text in ("Skarra", "12")
    )
    table = (
        '<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="4" name="t"/><p:cNvGraphicFramePr/>'
        '<p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="0"/><a:ext cx="9" cy="9"/></p:xfrm>'
        f'<a:graphic><a:graphicData uri="{_OFFICE}/drawingml/2006/table"><a:tbl><a:tblPr/>'
        f'<a:tblGrid><a:gridCol w="9"/><a:gridCol w="9"/></a:tblGrid><a:tr h="9">{cells}</a:tr>'
        "</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    shapes = _shape(2, '<p:ph type="title"/>', "Seabirds") + _shape(3, "", TEXT) + table
    return {
        "[Content_Types].xml": _content_types(kinds),
        "_rels/.rels": _relations(("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"{_XML}<p:presentation {spaces}><p:sldIdLst>"
        '<p:sldId id="256" r:id="rId1"/></p:sldIdLst></p:presentation>',
        "ppt/_rels/presentation.xml.rels": _relations(("slide", "slides/slide1.xml")),
        "ppt/slides/slide1.xml": f"{_XML}<p:sld {spaces}><p:cSld><p:spTree><p:nvGrpSpPr>"
        '<p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
        f"{shapes}</p:spTree></p:cSld></p:sld>",
    }


def _shape(number: int, placeholder: str, text: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="s{number}"/><p:cNvSpPr/>'
        f"<p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>"
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def _open_document(kind: str, body: str) -> dict[str, str]:
    mime = f"application/vnd.oasis.opendocument.{kind}"
    spaces = " ".join(f'xmlns:{name}="{_OPEN}:{name}:1.0"' for name in ("office", "text", "table"))
    return {
        "mimetype": mime,
        "META-INF/manifest.xml": f'{_XML}<m:manifest xmlns:m="{_OPEN}:manifest:1.0">'
        f'<m:file-entry m:full-path="/" m:media-type="{mime}"/></m:manifest>',
        "content.xml": f"{_XML}<office:document-content {spaces}><office:body><office:{kind}>"
        f"{body}</office:{kind}></office:body></office:document-content>",
    }


def _open_text() -> str:
    items = "".join(f"<text:list-item><text:p>{n}</text:p></text:list-item>" for n in range(3))
    return (
        f'<text:h text:outline-level="1">Seabirds</text:h><text:p>{TEXT}<text:s text:c="3"/>'
        f"<text:line-break/>x</text:p><text:list>{items}</text:list>"
    )


def _open_sheet() -> str:
    cells = "".join(
        f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in ("Skarra", TEXT)
    )
    return (
        f'<table:table table:name="Nests"><table:table-row>{cells}</table:table-row>'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell'
        ' table:number-columns-repeated="4"/></table:table-row>'
        f"<table:table-row>{cells}</table:table-row></table:table>"
    )


def _book() -> dict[str, str]:
    chapter = (
        f'{_XML}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>1</title></head>'
        f"<body><h1>Seabirds</h1><p>{TEXT}</p></body></html>"
    )
    package = (
        f'{_XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Birds</dc:title>'
        '</metadata><manifest><item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="two.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f'{_XML}<container xmlns="{_OPEN}:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": package,
        "OEBPS/one.xhtml": chapter,
        "OEBPS/two.xhtml": chapter.replace("Seabirds", "Colonies"),
    }
