"""The chunks of one document, in their order."""

from __future__ import annotations

from pathlib import Path

from ingest.build import ingest
from ingest.passages import passages_of
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder


def test_the_chunks_of_one_document_come_in_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        told = f"The berth of {name} is taken. " * 60
        parts = "\n\n".join(f"## Part {number}\n\n{told}" for number in range(5))
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n{parts}\n")
    ingest([tmp_path], tmp_path / "kb", HashEmbedder())
    for record in KnowledgeBase.open(tmp_path / "kb").documents():
        found = passages_of(tmp_path / "kb", record.document)
        assert len(found) == record.chunks > 1
        assert {chunk.document for chunk in found} == {record.document}
        assert [chunk.start for chunk in found] == sorted(chunk.start for chunk in found)
    assert passages_of(tmp_path / "kb", "nothing") == []
