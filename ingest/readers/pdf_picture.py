"""A page of a PDF as a picture: quotes marked, other characters covered.

The text that positions count in is PDFium's own, a character each; a quote is found in it by its
letters and digits alone, since reading has tidied what stands between them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

WIDTH, HEIGHT = 1400, 2400
"""The most pixels on each side."""
_MARK = np.array([255, 233, 163], np.uint16)
_COVER = np.array([107, 103, 95], np.uint8)
_CELL_END = re.compile(r"[|\n]|: ")
_LEAST_CELL = 4

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A PNG. `marked` is how many characters of the quotes were found and marked."""

    png: bytes
    width: int
    height: int
    marked: int


def page_text(path: str, page: int) -> str:
    """The text of a page, counted from 1; positions in it are what `page_picture` takes.

    Raises OSError, IndexError and pdfium.PdfiumError.
    """
    with _opened(path, page) as (_, text):
        return _characters(text)


def page_picture(
    path: str, page: int, quotes: Sequence[str], hidden: Sequence[tuple[int, int]] = ()
) -> PagePicture:
    """The page with `quotes` marked and the characters `hidden` (start, end) covered.

    Annotations are not drawn: their words are no part of the page's text. Raises as `page_text`.
    """
    with _opened(path, page) as (sheet, text):
        width, height = sheet.get_size()
        scale = min(WIDTH / max(width, 1.0), HEIGHT / max(height, 1.0))
        bitmap = sheet.render(scale=scale, draw_annots=False, rev_byteorder=True)
        place = bitmap.get_posconv(sheet)
        pixels: Pixels = bitmap.to_numpy()[:, :, :3].copy()
        words = _characters(text)
        spans = [span for quote in quotes for span in found(quote, words)]
        for start, end in spans:
            for box in _boxes(text, place, start, end):
                _mark(pixels, box)
        for start, end in hidden:
            for box in _boxes(text, place, start, end):
                _cover(pixels, box)
        bitmap.close()
    return PagePicture(_png(pixels), pixels.shape[1], pixels.shape[0], _length(spans))


def found(quote: str, text: str) -> list[tuple[int, int]]:
    """Where a quote stands in a page's text: whole, or else the cells that it is made of. Pure.

    A table's row is quoted with its columns' names, which do not stand before each cell.
    """
    letters, places = _letters(text)
    whole = _find(quote, letters, places, 0)
    if whole is not None:
        return [whole]
    spans, at = [], 0
    for cell in _CELL_END.split(quote):
        if len(_letters(cell)[0]) >= _LEAST_CELL:
            span = _find(cell, letters, places, at)
            if span is not None:
                spans.append(span)
                at = span[1]
    return spans


def _find(quote: str, letters: str, places: Sequence[int], start: int) -> tuple[int, int] | None:
    wanted = _letters(quote)[0]
    first = next((n for n, place in enumerate(places) if place >= start), len(places))
    at = letters.find(wanted, first) if wanted else -1
    return (places[at], places[at + len(wanted) - 1] + 1) if at >= 0 else None


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text, each of one character, and where each stands."""
    kept, places = [], []
    for place, character in enumerate(text):
        for letter in character.casefold():
            if letter.isalnum():
                kept.append(letter)
                places.append(place)
    return "".join(kept), places


@contextmanager
def _opened(path: str, page: int) -> Iterator[tuple[pdfium.PdfPage, pdfium.PdfTextPage]]:
    with ExitStack() as open_now:
        document = pdfium.PdfDocument(Path(path).read_bytes())
        open_now.callback(document.close)
        if not 1 <= page <= len(document):
            raise IndexError(f"there is no page {page}")
        sheet = document[page - 1]
        open_now.callback(sheet.close)
        text = sheet.get_textpage()
        open_now.callback(text.close)
        yield sheet, text


def _characters(text: pdfium.PdfTextPage) -> str:
    codes = (pdfium_c.FPDFText_GetUnicode(text, at) for at in range(text.count_chars()))
    return "".join(chr(code) if 0 < code < 0x110000 else " " for code in codes)


def _boxes(
    text: pdfium.PdfTextPage, place: pdfium.PdfPosConv, start: int, end: int
) -> Iterator[Box]:
    """The lines of these characters, in pixels: left, top, right, bottom."""
    for number in range(text.count_rects(start, end - start)):
        left, bottom, right, top = text.get_rect(number)
        xs, ys = zip(place.to_bitmap(left, top), place.to_bitmap(right, bottom), strict=True)
        yield min(xs) - 2, min(ys) - 3, max(xs) + 3, max(ys) + 4


def _cut(pixels: Pixels, box: Box) -> Pixels:
    left, top, right, bottom = (max(0, side) for side in box)
    return pixels[top:bottom, left:right]


def _mark(pixels: Pixels, box: Box) -> None:
    part = _cut(pixels, box)
    part[:] = (part.astype(np.uint16) * _MARK // 255).astype(np.uint8)


def _cover(pixels: Pixels, box: Box) -> None:
    _cut(pixels, box)[:] = _COVER


def _png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=False, compress_level=6)
    return out.getvalue()


def _length(spans: Sequence[tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans)
