"""PDFium's functions that are called for every line or object of a page, without wrappers.

The same functions as `pypdfium2.raw` has; handles and places in memory are plain integers here,
which takes less than half the time. Their callers hold what the integers stand for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pypdfium2.raw as pdfium_c

_Handle, _Place = ctypes.c_void_p, ctypes.c_void_p


def _quick(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """The function by its address. PDFium knows no threads, so the lock on Python's is kept."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    return ctypes.PYFUNCTYPE(result, *arguments)(address or 0)


def handle(raw: Any) -> int:
    """What PDFium knows a page or text page by."""
    return ctypes.cast(raw, ctypes.c_void_p).value or 0


get_object = _quick(pdfium_c.FPDFPage_GetObject, _Handle, _Handle, ctypes.c_int)
"""(page, number) to an object."""
object_kind = _quick(pdfium_c.FPDFPageObj_GetType, ctypes.c_int, _Handle)
"""(object) to FPDF_PAGEOBJ_*."""
loose_box = _quick(pdfium_c.FPDFText_GetLooseCharBox, ctypes.c_int, _Handle, ctypes.c_int, _Place)
"""(text page, character, place of an FS_RECTF)."""
char_box = _quick(pdfium_c.FPDFText_GetCharBox, ctypes.c_int, _Handle, ctypes.c_int, *[_Place] * 4)
"""(text page, character, places of left, right, bottom and top, each a double)."""
bounds = _quick(pdfium_c.FPDFPageObj_GetBounds, ctypes.c_int, _Handle, *[_Place] * 4)
"""(object, places of left, bottom, right and top, each a float)."""
segments = _quick(pdfium_c.FPDFPath_CountSegments, ctypes.c_int, _Handle)
"""(path) to how many there are."""
segment = _quick(pdfium_c.FPDFPath_GetPathSegment, _Handle, _Handle, ctypes.c_int)
"""(path, number) to a segment."""
segment_kind = _quick(pdfium_c.FPDFPathSegment_GetType, ctypes.c_int, _Handle)
"""(segment) to FPDF_SEGMENT_*."""
segment_closes = _quick(pdfium_c.FPDFPathSegment_GetClose, ctypes.c_int, _Handle)
"""(segment) to whether its figure ends there."""
segment_end = _quick(pdfium_c.FPDFPathSegment_GetPoint, ctypes.c_int, _Handle, _Place, _Place)
"""(segment, places of x and y, each a float)."""
matrix = _quick(pdfium_c.FPDFPageObj_GetMatrix, ctypes.c_int, _Handle, _Place)
"""(object, place of an FS_MATRIX)."""
