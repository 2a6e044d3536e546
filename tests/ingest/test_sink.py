"""What is embedded for a chunk: title and headings, never so long that text would be cut."""

from __future__ import annotations

import pytest

from ingest.sink import embedding_inputs
from ingest.testing import HashEmbedder
from ingest.types import Chunk

COUNT = HashEmbedder().count_tokens


def chunk(*headings: str) -> Chunk:
    return Chunk("id", 0, 4, "Body", headings, None, 1)


@pytest.mark.parametrize(
    ("title", "headings", "expected"),
    [
        ("", (), "Body"),
        ("T", (), "T\nBody"),
        ("T", ("T", "A"), "T > A\nBody"),
        ("", ("A",), "A\nBody"),
        ("T" * 90, ("B" * 90, "C"), "T" * 90 + " > C\nBody"),
        ("T" * 300, ("C",), "C\nBody"),
    ],
)
def test_prefix(title: str, headings: tuple[str, ...], expected: str) -> None:
    assert embedding_inputs(title, [chunk(*headings)], COUNT) == [expected]


def test_prefixes_of_many_tokens_are_shortened() -> None:
    found = embedding_inputs("! ? " * 40, [chunk()], COUNT)[0]
    assert COUNT([found])[0] <= 48 + 1
