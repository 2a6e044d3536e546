"""Chunks: sizes, offsets and coverage for every document; headings and pages by example."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import ChunkSettings, chunk_document
from ingest.readers.markdown import read_markdown
from ingest.testing import HashEmbedder
from ingest.types import ParsedDocument, Section, SectionKind

COUNT = HashEmbedder().count_tokens
KINDS: tuple[SectionKind, ...] = ("prose", "table", "code", "list")


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    words = st.sampled_from(
        [
            "word",
            "a",
            "Dr.",
            "end.",
            "x" * 300,
            "\n",
            "\n\n",
            "| a |",
            "- ",
            "日本。",
            "\u00a0",
            "!",
        ]
    )
    text = " ".join(draw(st.lists(words, max_size=150)))
    cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=4))})
    titles = st.lists(st.sampled_from(["A", "B", "C"]), max_size=3)
    sections = tuple(
        Section(
            start,
            end,
            tuple(draw(titles)),
            draw(st.sampled_from([None, 1, 2])),
            draw(st.sampled_from(KINDS)),
        )
        for start, end in pairwise(cuts)
    )
    return ParsedDocument(text, "t", sections)


@settings(max_examples=80, deadline=None)
@given(documents(), st.integers(8, 60))
def test_every_document(document: ParsedDocument, size: int) -> None:
    limits = ChunkSettings(max_tokens=size, small_tokens=size // 4)
    chunks = chunk_document(document, COUNT, limits)
    covered = bytearray(len(document.text))
    last = 0
    for chunk in chunks:
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.start >= last
        assert chunk.tokens == COUNT([chunk.text])[0] <= size
        assert len(chunk.text) <= limits.max_characters or not chunk.text.split()[1:]
        covered[chunk.start : chunk.end] = b"\1" * len(chunk.text)
        last = chunk.end
    for section in document.sections:
        for at in range(section.start, section.end):
            assert covered[at] or document.text[at].isspace()
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@settings(max_examples=50, deadline=None)
@given(documents())
def test_chunks_never_cross_pages(document: ParsedDocument) -> None:
    for chunk in chunk_document(document, COUNT):
        pages = {s.page for s in document.sections if s.start < chunk.end and chunk.start < s.end}
        inside = {
            s.page
            for s in document.sections
            if document.text[max(s.start, chunk.start) : min(s.end, chunk.end)].strip()
        }
        assert inside == {chunk.page} <= pages


def markdown(text: str) -> ParsedDocument:
    return read_markdown(text.encode(), "a.md")


def test_a_lone_heading_joins_what_follows() -> None:
    chunks = chunk_document(markdown("# Guide\n\n## Setup\n\n" + "Turn the key. " * 30), COUNT)
    assert chunks[0].text.startswith("# Guide\n\n## Setup\n\nTurn")
    assert chunks[0].headings == ("Guide", "Setup")


def test_small_neighbours_join_under_their_parent() -> None:
    text = "# Winch\n\n" + "Intro text here. " * 40 + "\n\n## Oil\n\nUse A.\n\n## Fuse\n\nUse B.\n"
    last = chunk_document(markdown(text), COUNT)[-1]
    assert "## Oil" in last.text
    assert "## Fuse" in last.text
    assert last.headings == ("Winch",)


def test_a_label_above_the_first_heading_joins_it() -> None:
    chunks = chunk_document(markdown(".. _label:\n\n# A\n\nSome text."), COUNT)
    assert [chunk.headings for chunk in chunks] == [("A",)]


def test_lone_headings_side_by_side_join() -> None:
    text = "# Plan\n\nSome words to begin with. " * 3 + "\n\n## Hopes\n\n## Fears\n\n## Ends\n\n"
    last = chunk_document(markdown(text), COUNT)[-1]
    assert "## Hopes" in last.text
    assert "## Ends" in last.text


def test_sections_of_different_parents_stay_apart() -> None:
    chunks = chunk_document(markdown("# A\n\nShort text.\n\n# B\n\nOther text.\n"), COUNT)
    assert [chunk.headings for chunk in chunks] == [("A",), ("B",)]


def test_long_sections_split_evenly() -> None:
    chunks = chunk_document(markdown("# A\n\n" + "One two three four five. " * 50), COUNT)
    sizes = [chunk.tokens for chunk in chunks]
    assert max(sizes) <= 200
    assert min(sizes) > 100


def test_tables_are_cut_at_line_ends() -> None:
    rows = "\n".join(f"| row {n} | value. Other {n} |" for n in range(100))
    for chunk in chunk_document(markdown("# T\n\n" + rows), COUNT)[1:]:
        assert chunk.text.startswith("| row")
        assert chunk.text.endswith("|")


def test_ids_depend_on_content_and_place_only() -> None:
    one = chunk_document(markdown("# A\n\nSome text."), COUNT)
    other = chunk_document(read_markdown(b"# A\n\nSome text.", "elsewhere.md"), COUNT)
    assert [chunk.id for chunk in one] == [chunk.id for chunk in other]


@pytest.mark.parametrize("values", [{"max_tokens": 3}, {"small_tokens": 999}, {"small_tokens": -1}])
def test_settings_that_cannot_work_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        ChunkSettings(**values)
