"""OCR: scanned pages and pictures, read in workers, with the extra `ocr` and only when asked."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import pypdfium2 as pdfium
import pytest

from ingest.errors import ExtraMissing, UnreadableFile
from ingest.kinds import sniff
from ingest.load import Limits, Loader, discover
from ingest.readers.ocr import Seen, in_order
from ingest.readers.registry import read
from ingest.types import Failure, ParsedDocument

needs_ocr = pytest.mark.skipif(find_spec("rapidocr") is None, reason='needs the extra "ocr"')
SHOWN = ("Seal pressure below 0.6 bar", "Call the engineer on watch")


def page(lines: tuple[str, ...] = SHOWN) -> bytes:
    """A PDF of one small page with these lines as text."""
    shown = " ".join(f"({line}) Tj T*" for line in lines)
    stream = f"BT /F1 14 Tf 22 TL 20 90 Td {shown} ET"
    return (
        "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        "2 0 obj\n<</Type/Pages/Count 1/Kids[3 0 R]>>\nendobj\n"
        "3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 130]/Contents 5 0 R"
        "/Resources<</Font<</F1 4 0 R>>>>>>\nendobj\n"
        "4 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n"
        f"5 0 obj\n<</Length {len(stream)}>>stream\n{stream}\nendstream\nendobj\n"
        "trailer<</Size 6/Root 1 0 R>>\n%%EOF"
    ).encode()


def picture(form: str, mode: str = "RGB", frames: int = 1) -> bytes:
    """The page as it looks, in a format of pictures (or as a PDF that holds nothing else)."""
    image = pytest.importorskip("PIL.Image")
    assert image is not None
    with pdfium.PdfDocument(page()) as document:
        drawn = document[0].render(scale=3).to_pil().convert(mode)
    file = io.BytesIO()
    more = {"save_all": True, "append_images": [drawn] * (frames - 1)} if frames > 1 else {}
    drawn.save(file, form, **more)
    return file.getvalue()


@needs_ocr
@pytest.mark.parametrize(
    ("form", "mode", "name"),
    [("PNG", "RGBA", "a.png"), ("JPEG", "L", "a.jpg"), ("TIFF", "1", "a.tif"), ("PDF", "RGB", "a")],
)
def test_pictures_of_text_are_read(form: str, mode: str, name: str) -> None:
    parsed = read(picture(form, mode), name, ocr=True)
    assert parsed.text == "\n".join(SHOWN)
    assert parsed.metadata["ocr"] == "true"
    assert [(s.page, s.kind) for s in parsed.sections] == [(1, "prose")]


@needs_ocr
def test_only_pages_without_text_are_looked_at() -> None:
    with pdfium.PdfDocument(page()) as both, pdfium.PdfDocument(picture("PDF")) as scan:
        both.import_pages(scan)
        file = io.BytesIO()
        both.save(file)
    plain, seen = read(file.getvalue(), "a.pdf"), read(file.getvalue(), "a.pdf", ocr=True)
    assert plain.metadata["pages_without_text"] == "2"
    assert "ocr" not in plain.metadata
    assert seen.metadata["ocr_pages"] == "2"
    assert "pages_without_text" not in seen.metadata
    assert seen.text == "\n\n".join(["\n".join(SHOWN)] * 2)


@needs_ocr
def test_every_frame_is_a_page() -> None:
    parsed = read(picture("TIFF", "L", frames=2), "a.tiff", ocr=True)
    assert [s.page for s in parsed.sections] == [1, 2]


@needs_ocr
def test_workers_read_within_their_limits_and_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    (tmp_path / "b.png").write_bytes(picture("PNG")[:300])
    limits = Limits(workers=1, ocr=True)
    sources, _ = discover([tmp_path], limits)
    # What opens a connection there is refused and would be a failure.
    with Loader(limits) as loader:
        first, second = (result for _, result in loader.load(sources))
    assert isinstance(first, ParsedDocument)
    assert first.text == "\n".join(SHOWN)
    assert isinstance(second, Failure)
    assert second.reason.startswith("corrupt")


@needs_ocr
def test_a_blank_picture() -> None:
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("L", (300, 200), 255).save(file, "PNG")
    with pytest.raises(UnreadableFile) as raised:
        read(file.getvalue(), "a.png", ocr=True)
    assert raised.value.status == "no_text_layer"


def test_a_scan_says_how_it_can_be_read() -> None:
    with pytest.raises(UnreadableFile) as raised:
        read(picture("PDF"), "a.pdf")
    assert raised.value.status == "no_text_layer"
    assert "`--ocr`" in raised.value.reason
    assert '"ocr"' in raised.value.reason


def test_without_the_extra_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.load.find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match=r"surefoot\[ocr\]"):
        Limits(ocr=True)
    assert not Limits().ocr


@pytest.mark.parametrize("head", [b"II*\x00\x08\x00\x00\x00", b"MM\x00*\x00\x00\x00\x08"])
def test_tiff_is_told_by_its_bytes(head: bytes) -> None:
    assert sniff(head + bytes(20), "scan.dat") == "tiff"


def seen(text: str, left: float, top: float, right: float | None = None) -> Seen:
    return Seen(text, left, right or left + 10 * len(text), top, top + 20)


def test_what_stands_side_by_side_is_one_line() -> None:
    words = [seen("12.50", 300, 52), seen("Rope", 10, 50), seen("Part", 10, 10)]
    assert in_order(words) == "Part\nRope 12.50"


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    left = [seen(f"the left column, line {n}", 10, 60 + 30 * n) for n in range(5)]
    right = [seen(f"the right column, line {n}", 400, 60 + 30 * n) for n in range(5)]
    title = [seen("a title over both of the columns", 100, 10, 560)]
    mixed = [one for pair in zip(left, right, strict=True) for one in pair]
    assert in_order(title + mixed).split("\n") == [one.text for one in title + left + right]
