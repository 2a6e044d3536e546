"""Text of pictures by RapidOCR (PP-OCRv6 by ONNX Runtime): its models lie in its wheel.

Only the extra `ocr` brings it, and only worker processes load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""Height, width, and blue, green, red; or height and width alone."""

LONG_SIDE = 2000
"""Pixels that a page's longer side is drawn with, 171 to the inch of A4; more is scaled down."""

_MODELS = {
    "Det": "PP-OCRv6_det_*.onnx",
    "Rec": "PP-OCRv6_rec_*.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_*.onnx",
}
_DETECTION_SIDE = 1280
_SAME_ROW = 0.5
_MANY = 0.85
_PROSE_CHARACTERS = 20
_COLUMN_LINES = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """A run of text in a picture and the box around it in pixels, y downwards."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def read_picture_text(picture: Picture) -> str:
    """The lines of text in a picture, in reading order; "" where none is seen.

    Takes 2 to 4 seconds a page on one core. Raises ImportError without the extra `ocr`.
    """
    result = _engine()(np.ascontiguousarray(picture))
    if result.boxes is None or result.txts is None:
        return ""
    seen = [
        Seen(
            text, *map(float, (box[:, 0].min(), box[:, 0].max(), box[:, 1].min(), box[:, 1].max()))
        )
        for box, text in zip(result.boxes, result.txts, strict=True)
    ]
    return in_order(seen)


@cache
def _engine() -> Any:
    import cv2
    import rapidocr

    # By their paths: of a model that is only named the library would fetch another version.
    models = Path(rapidocr.__file__).parent / "models"
    paths = {f"{part}.model_path": str(_model(models, name)) for part, name in _MODELS.items()}
    # One thread: a worker's seconds of CPU are limited as its seconds on the clock are.
    cv2.setNumThreads(1)
    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    scale = {"Det.limit_type": "max", "Det.limit_side_len": _DETECTION_SIDE}
    return rapidocr.RapidOCR(params={"Global.log_level": "error", **paths, **threads, **scale})


def _model(folder: Path, name: str) -> Path:
    found = sorted(folder.glob(name))
    if not found:
        raise ImportError(f"rapidocr without its model {name}: install the extra again")
    return found[0]


def in_order(seen: Sequence[Seen]) -> str:
    """The texts as lines from top to bottom, columns of prose one after the other."""
    gutter = _gutter(seen)
    if gutter is None:
        return "\n".join(_rows(seen))
    across = [one for one in seen if one.left < gutter < one.right]
    lines: list[str] = []
    for above, part in groupby(
        sorted(seen, key=lambda one: one.middle), key=lambda one: one in across
    ):
        held = list(part)
        sides = [held] if above else [_side(held, gutter, 0), _side(held, gutter, 1)]
        lines.extend(line for side in sides for line in _rows(side))
    return "\n".join(lines)


def _side(seen: Sequence[Seen], gutter: float, side: int) -> list[Seen]:
    return [one for one in seen if (one.left >= gutter) == bool(side)]


def _gutter(seen: Sequence[Seen]) -> float | None:
    """Where hardly a line crosses between two columns of prose; None where there are none."""
    if len(seen) < 2 * _COLUMN_LINES:
        return None
    low, high = min(one.left for one in seen), max(one.right for one in seen)
    places = [low + (high - low) * share / 40 for share in range(14, 27)]
    crossed = [sum(one.left < place < one.right for one in seen) for place in places]
    best = min(crossed)
    free = [place for place, count in zip(places, crossed, strict=True) if count == best]
    place = free[len(free) // 2]
    if best > (1 - _MANY) * len(seen):
        return None
    sides = [
        [one for one in seen if one.right <= place],
        [one for one in seen if one.left >= place],
    ]
    prose = all(
        len(side) >= _COLUMN_LINES and median(len(one.text) for one in side) >= _PROSE_CHARACTERS
        for side in sides
    )
    return place if prose else None


def _rows(seen: Sequence[Seen]) -> list[str]:
    """What stands side by side on one line, with what is wide apart told from what is not."""
    rows: list[list[Seen]] = []
    for one in sorted(seen, key=lambda one: one.middle):
        last = rows[-1][0] if rows else None
        height = one.bottom - one.top
        if last is not None and abs(one.middle - last.middle) < _SAME_ROW * min(
            height, last.bottom - last.top
        ):
            rows[-1].append(one)
        else:
            rows.append([one])
    return [" ".join(one.text for one in sorted(row, key=lambda one: one.left)) for row in rows]
