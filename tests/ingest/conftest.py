"""Small bases of fake vectors for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder
from ingest.types import IngestReport

EMBEDDER = HashEmbedder()
Run = Callable[..., IngestReport]
Tree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    return tmp_path / "kb"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes files under one folder; None removes. Returns the folder."""
    root = tmp_path / "docs"

    def write(files: Mapping[str, str | None]) -> Path:
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")
        return root

    return write


@pytest.fixture
def run(kb: Path, tree: Tree) -> Run:
    """Ingests the folder of `tree`, or what is given, with the fake embedder."""

    def ingest_here(*paths: Path, **options: Any) -> IngestReport:
        return ingest(paths or (tree({}),), kb, EMBEDDER, **options)

    return ingest_here
