"""The accounts of jobs: every document met ends in one column, whatever happened before."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.chunk import ChunkSettings
from ingest.errors import (
    IncompatibleKnowledgeBase,
    KnowledgeBaseBusy,
    KnowledgeBaseError,
    KnowledgeBaseMissing,
)
from ingest.lock import writer_lock
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import IngestReport

COLUMNS = ("added", "updated", "unchanged", "removed", "duplicates")


def counts(report: IngestReport) -> dict[str, int]:
    found = {name: getattr(report, name) for name in COLUMNS if getattr(report, name)}
    return found | ({"failed": len(report.failed)} if report.failed else {})


def contents(kb: Path) -> dict[str, Any]:
    """All that a reader can see, without times and row numbers."""
    base = KnowledgeBase.open(kb)
    assert base.verify().problems == ()
    return {
        record.document: (
            record.title,
            record.chunks,
            sorted(record.groups),
            record.sha256,
            record.paths,
            base.document_text(record.document),
        )
        for record in base.documents()
    }


def names(kb: Path) -> set[str]:
    return {Path(name).name for name in contents(kb)}


def test_a_life(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.md": "# A\n\nAlpha text.", "sub/b.txt": "Beta text.", "c.txt": "Beta text."})
    assert counts(run()) == {"added": 2, "duplicates": 1}
    assert counts(run()) == {"unchanged": 3}
    assert KnowledgeBase.open(kb).generation == 1

    tree({"a.md": "# A\n\nAlpha text, changed.", "d.txt": ""})
    report = run()
    assert counts(report) == {"updated": 1, "unchanged": 2, "failed": 1}
    assert report.failed[0].path == str(root / "d.txt")
    assert report.failed[0].reason == "empty"
    assert KnowledgeBase.open(kb).generation == 2

    tree({"a.md": None, "d.txt": None})
    assert counts(run()) == {"unchanged": 2}
    assert counts(run(prune=True)) == {"unchanged": 2, "removed": 1}
    assert names(kb) == {"c.txt"}


def test_another_path_takes_over(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.txt": "Same text.", "b.txt": "Same text."})
    run()
    record = KnowledgeBase.open(kb).documents()[0]
    assert record.document == str(root / "a.txt")
    assert record.paths == (str(root / "a.txt"), str(root / "b.txt"))

    tree({"a.txt": "Other text."})
    assert counts(run()) == {"updated": 1, "unchanged": 1}
    found = contents(kb)
    assert found[str(root / "b.txt")][-1] == "Same text."
    assert found[str(root / "a.txt")][-1] == "Other text."

    tree({"a.txt": "Same text."})
    assert counts(run()) == {"updated": 1, "unchanged": 1}
    tree({"b.txt": None})
    assert counts(run(prune=True)) == {"unchanged": 1, "removed": 1}
    assert names(kb) == {"a.txt"}


def test_equal_chunks_are_embedded_once(tree: Any, kb: Path) -> None:
    parts = [f"# Part {n}\n\n" + f"Sentence {n} about things. " * 30 for n in range(10)]
    root = tree({"a.md": "\n\n".join(parts)})
    embedder = HashEmbedder()
    ingest([root], kb, embedder)
    before = embedder.embedded
    tree({"a.md": "\n\n".join([*parts[:9], "# New\n\nAnother end."])})
    ingest([root], kb, embedder)
    assert before >= 10
    assert embedder.embedded - before == 1


def test_unchanged_files_are_not_read(run: Any, tree: Any, monkeypatch: Any) -> None:
    tree({f"{n}.txt": f"Text {n}." for n in range(5)})
    run()
    monkeypatch.setattr("ingest.load.Loader._begin", lambda *_: pytest.fail("read again"))
    assert counts(run()) == {"unchanged": 5}


def test_dry_run_writes_nothing(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "Text.", "b.txt": "Text.", "c.txt": ""})
    dry = run(dry_run=True)
    assert not kb.exists()
    assert counts(dry) == {"added": 1, "duplicates": 1, "failed": 1}
    real = run()
    assert dataclasses.replace(real, seconds=0) == dataclasses.replace(dry, seconds=0)

    tree({"a.txt": "Text two.", "d.txt": "Text four."})
    before = {file.name: file.read_bytes() for file in kb.iterdir()}
    assert counts(run(dry_run=True, prune=True)) == {
        "added": 1, "updated": 1, "unchanged": 1, "failed": 1
    }  # fmt: skip
    after = {file.name: file.read_bytes() for file in kb.iterdir()}
    assert {name: after[name] for name in before} == before


def test_groups(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "Text."})
    assert counts(run(groups=frozenset({"hr"}))) == {"added": 1}
    assert counts(run(groups=frozenset({"hr"}))) == {"unchanged": 1}
    assert counts(run(groups=frozenset({"hr", "it"}))) == {"updated": 1}
    assert KnowledgeBase.open(kb).documents()[0].groups == {"hr", "it"}


def test_same_bytes_in_other_groups_are_two_documents(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a/x.txt": "Text.", "b/x.txt": "Text."})
    run(root / "a", groups=frozenset({"hr"}))
    assert counts(run(root / "b")) == {"added": 1}
    assert [sorted(record.groups) for record in KnowledgeBase.open(kb).documents()] == [["hr"], []]


def test_other_chunk_sizes_update(run: Any, tree: Any) -> None:
    tree({"a.txt": "Text. " * 100})
    run()
    assert counts(run(chunking=ChunkSettings(max_tokens=50))) == {"updated": 1}


def test_a_file_that_fails_keeps_its_old_version(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.txt": "Text."})
    run()
    (root / "a.txt").write_bytes(b"\x7fELF" + bytes(range(256)) * 9)
    assert counts(run(prune=True)) == {"failed": 1}
    assert contents(kb)[str(root / "a.txt")][-1] == "Text."


def test_prune_stays_under_its_paths(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a/1.txt": "One.", "b/2.txt": "Two.", "ab/3.txt": "Three."})
    run()
    tree({"a/1.txt": None, "b/2.txt": None, "ab/3.txt": None})
    assert counts(run(root / "a", prune=True)) == {"removed": 1}
    assert names(kb) == {"2.txt", "3.txt"}
    (root / "b").rmdir()
    # A root that is not there may be a disk that is not mounted.
    assert counts(run(root / "b", prune=True)) == {"failed": 1}
    assert names(kb) == {"2.txt", "3.txt"}


def corpus(*lines: dict[str, str]) -> str:
    return "\n".join(json.dumps(line) for line in lines) + "\n"


def test_a_corpus(run: Any, tree: Any, kb: Path) -> None:
    one, two = {"id": "1", "title": "T", "text": "One\r\ntext."}, {"id": "2", "text": "Two."}
    root = tree({"c.jsonl": corpus(one, two) + "{bad\n"})
    report = run()
    assert counts(report) == {"added": 2, "failed": 1}
    assert report.failed[0].path == f"{root / 'c.jsonl'}:3"
    base = KnowledgeBase.open(kb)
    assert [record.document for record in base.documents()] == ["1", "2"]
    assert base.documents()[0].path == str(root / "c.jsonl")
    assert base.document_text("1") == "One\r\ntext."

    tree({"c.jsonl": corpus(one, two | {"text": "Two!"}, {"id": "3", "text": "Three."})})
    assert counts(run()) == {"added": 1, "updated": 1, "unchanged": 1}
    tree({"c.jsonl": corpus(one)})
    assert counts(run()) == {"unchanged": 1}
    assert counts(run(prune=True)) == {"unchanged": 1, "removed": 2}


def test_an_id_that_two_corpora_use(run: Any, tree: Any) -> None:
    line = {"id": "1", "title": "T", "text": "One."}
    root = tree({"a.jsonl": corpus(line), "b.jsonl": corpus(line | {"text": "Two."})})
    report = run()
    assert counts(report) == {"added": 1, "failed": 1}
    assert str(root / "a.jsonl:1") in report.failed[0].reason
    tree({"b.jsonl": corpus(line)})
    assert counts(run()) == {"unchanged": 1, "duplicates": 1}


def test_other_embedders_are_refused_before_anything_is_written(
    run: Any, tree: Any, kb: Path
) -> None:
    root = tree({"a.txt": "Text."})
    run()
    before = {file.name: file.read_bytes() for file in kb.iterdir()}
    for other in (HashEmbedder(16), HashEmbedder(32, "other")):
        for dry in (True, False):
            with pytest.raises(IncompatibleKnowledgeBase):
                ingest([root], kb, other, dry_run=dry)
        with pytest.raises(IncompatibleKnowledgeBase):
            KnowledgeBase.open(kb, other)
    assert {file.name: file.read_bytes() for file in kb.iterdir()} == before


def test_nothing_to_ingest_makes_no_base(run: Any, tmp_path: Path, kb: Path) -> None:
    assert counts(run(tmp_path / "missing")) == {"failed": 1}
    assert not kb.exists()
    with pytest.raises(KnowledgeBaseMissing):
        KnowledgeBase.open(kb)


def test_a_folder_of_something_else_is_refused(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "Text."})
    kb.mkdir()
    (kb / "thesis.doc").write_text("precious")
    with pytest.raises(KnowledgeBaseError, match="is no knowledge base"):
        run()
    assert [file.name for file in kb.iterdir()] == ["thesis.doc"]


def test_the_base_itself_is_no_document(tree: Any) -> None:
    root = tree({"a.txt": "Text."})
    ingest([root], root / "kb", HashEmbedder())
    assert counts(ingest([root], root / "kb", HashEmbedder())) == {"unchanged": 1}


def test_two_writers(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "Text."})
    run()
    with writer_lock(kb), pytest.raises(KnowledgeBaseBusy, match="process"):
        run()
    assert counts(run()) == {"unchanged": 1}
