"""Presidio's recognizers and spaCy, loaded without torch and transformers.

Both libraries load those wherever they are installed, for engines that are not used here: several
seconds and most of a gigabyte. What is hidden from them they take for an extra that is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

_UNUSED = ("torch", "transformers")


@contextmanager
def hidden(names: tuple[str, ...] = _UNUSED) -> Iterator[None]:
    """Inside, importing these raises ImportError; those already loaded stay as they are.

    For the whole process: no other thread may import them meanwhile.
    """
    new = [name for name in names if name not in sys.modules]
    # None is what the import system itself takes for "not to be found".
    sys.modules.update(dict.fromkeys(new, cast(ModuleType, None)))
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


with hidden():
    import spacy
    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import CryptoRecognizer, IbanRecognizer

__all__ = ["CryptoRecognizer", "IbanRecognizer", "PatternRecognizer", "hidden", "spacy"]
