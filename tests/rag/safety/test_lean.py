"""What an answer on a CPU loads, and that hiding a library is undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag.safety.lean import hidden

LOADED = """
import sys
import rag.safety.build
print(*(name for name in ("torch", "transformers", "spacy") if name in sys.modules))
"""


def test_the_filters_load_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["spacy"]


def test_hidden_libraries_come_back() -> None:
    code = """
import sys
from rag.safety.lean import hidden
with hidden(("pyclbr",)):
    try:
        import pyclbr
    except ImportError:
        print("hidden")
import pyclbr
print(pyclbr.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["hidden", "pyclbr"]


def test_what_is_loaded_stays() -> None:
    with hidden(("json",)):
        import json
    assert json.loads("1") == 1
    with pytest.raises(ValueError, match="x"), hidden(("no_such_library",)):
        raise ValueError("x")
    assert "no_such_library" not in sys.modules
