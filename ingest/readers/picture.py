"""Pictures of text (PNG, JPEG, TIFF) by OCR: every frame is a page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ingest.errors import UnreadableFile
from ingest.readers.ocr import LONG_SIDE, Picture, read_picture_text
from ingest.readers.text import clean, stem
from ingest.types import ParsedDocument, Section

_FORMATS = ("PNG", "JPEG", "TIFF")
_MOST_PIXELS = 120_000_000
_MOST_FRAMES = 10_000


def read_picture(data: bytes, path: str) -> ParsedDocument:
    """The text that OCR sees in a picture.

    Raises UnreadableFile (corrupt, no_text_layer where none is seen, too_large).
    """
    pages = _pages(data, path)
    if not any(pages):
        raise UnreadableFile(path, "no_text_layer", "no text layer, and OCR sees no text")
    found, offset = list[Section](), 0
    for number, page in enumerate(pages, 1):
        if page:
            found.append(Section(offset, offset + len(page), page=number))
        offset += len(page) + 2
    metadata = {"pages": str(len(pages)), "ocr": "true"}
    return ParsedDocument("\n\n".join(pages), stem(path), tuple(found), metadata)


def _pages(data: bytes, path: str) -> list[str]:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > _MOST_FRAMES:
                raise UnreadableFile(path, "too_large", f"too large: {frames} pages")
            return [clean(read_picture_text(_frame(image, at, path))) for at in range(frames)]
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        large = isinstance(error, Image.DecompressionBombError)
        status, words = ("too_large", "too large") if large else ("corrupt", "corrupt picture")
        raise UnreadableFile(path, status, f"{words}: it cannot be opened") from error


def _frame(image: Image.Image, at: int, path: str) -> Picture:
    """A frame upright, on white, no larger than OCR looks at; blue first."""
    image.seek(at)
    if image.width * image.height > _MOST_PIXELS:
        raise UnreadableFile(path, "too_large", f"too large: {image.width} x {image.height} pixels")
    # JPEG can be decoded smaller at once.
    image.draft("RGB", (LONG_SIDE, LONG_SIDE))
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((LONG_SIDE, LONG_SIDE))
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright.convert("RGBA"))
    return np.asarray(_eight_bits(upright).convert("RGB"))[:, :, ::-1]


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deeper grey as 8 bits: made RGB as it is, it would be white."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
