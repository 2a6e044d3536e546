"""Words that are no names though a sentence begins with them.

`common.txt` was counted in encyclopaedia text by `evals/train/common_words.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_ENDINGS = ("s", "es", "ed", "d", "ing", "ly", "er", "ers", "ies")


def is_common(plain: str) -> bool:
    """Whether a word in lower case, or what it is a form of, is among the common ones."""
    known = _common()
    stems = [plain.removesuffix(ending) for ending in _ENDINGS if plain.endswith(ending)]
    return plain in known or any(form in known for stem in stems for form in (stem, f"{stem}e"))


@cache
def _common() -> frozenset[str]:
    path = Path(__file__).parent / "common.txt"
    return frozenset(path.read_text(encoding="utf-8").split())
