"""Text of a PDF page that is not drawn on it: what was filled into its form, and text boxes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.readers.text import clean

_MAX_FIELDS = 10_000
_OFF = frozenset({"", "Off"})


def field_lines(page: pdfium.PdfPage) -> list[str]:
    """Filled form fields as "First Name: Ada", and the contents of text boxes, in file order.

    Remarks that a reader of the page pinned to it are not part of its text.
    """
    count = min(raw.FPDFPage_GetAnnotCount(page), _MAX_FIELDS)
    return [line for at in range(count) for line in _lines(page, at)]


def _lines(page: pdfium.PdfPage, at: int) -> Iterator[str]:
    annotation = raw.FPDFPage_GetAnnot(page, at)
    if not annotation:
        return
    try:
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind == raw.FPDF_ANNOT_WIDGET:
            value = _value(annotation, b"V")
            name = _value(annotation, b"TU") or _value(annotation, b"T")
            if value not in _OFF:
                yield f"{name}: {value}" if name else value
        elif kind == raw.FPDF_ANNOT_FREETEXT and (text := _value(annotation, b"Contents")):
            yield text
    finally:
        raw.FPDFPage_CloseAnnot(annotation)


def _value(annotation: object, key: bytes) -> str:
    """A text of the annotation on one line; "" where it has none."""
    size = raw.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    raw.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    return " ".join(clean(bytes(buffer)[:-2].decode("utf-16-le", errors="replace")).split())
