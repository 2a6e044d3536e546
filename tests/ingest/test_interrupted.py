"""Jobs that are stopped, run out of disk or run beside readers; and what a job leaves behind."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest import sink, writer
from ingest.build import ingest
from ingest.errors import KnowledgeBaseError, KnowledgeBaseMissing
from ingest.progress import SILENT
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import IngestReport


def counts(report: IngestReport) -> dict[str, int]:
    """The columns that are not 0."""
    names = ("added", "updated", "unchanged", "removed", "duplicates")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def contents(kb: Path) -> dict[str, str]:
    """Every document's text, of a base in which all is well."""
    base = KnowledgeBase.open(kb)
    assert base.verify().problems == ()
    return {r.document: base.document_text(r.document) for r in base.documents()}


class Stop(BaseException):
    """Stands for whatever ends a job."""


def test_an_interrupted_job_is_taken_up(tree: Any, kb: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sink, "_BATCH_CHUNKS", 1)
    root = tree({f"{n}.txt": f"Text number {n}." for n in range(10)})

    class Failing(HashEmbedder):
        def embed(self, texts: Any) -> Any:
            if self.batches == 6:
                raise KeyboardInterrupt
            return super().embed(texts)

    with pytest.raises(KeyboardInterrupt):
        ingest([root], kb, Failing())
    with pytest.raises(KnowledgeBaseMissing):
        KnowledgeBase.open(kb)
    embedder = HashEmbedder()
    (root / "0.txt").unlink()
    assert counts(ingest([root], kb, embedder)) == {"added": 9}
    assert embedder.embedded == 4
    assert len(contents(kb)) == 9


def test_an_interrupted_first_job_of_another_embedder(
    tree: Any, kb: Path, monkeypatch: Any
) -> None:
    root = tree({"a.txt": "Text."})
    monkeypatch.setattr("ingest.build.commit", lambda *_: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        ingest([root], kb, HashEmbedder(16))
    monkeypatch.undo()
    assert counts(ingest([root], kb, HashEmbedder(32))) == {"added": 1}
    assert len(contents(kb)) == 1


@pytest.mark.parametrize("full", ["database", "vectors", "manifest"])
def test_a_full_disk_leaves_the_last_generation(
    run: Any, tree: Any, kb: Path, monkeypatch: Any, full: str
) -> None:
    tree({"a.txt": "Text."})
    run()
    before = contents(kb)
    tree({"b.txt": "More text.", "a.txt": "Changed."})
    no_space = OSError(28, "No space left on device")

    def fail(*_: Any) -> None:
        raise no_space

    def fill(self: Any, *_: Any) -> None:
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count={pages}")
        self.connection.execute("CREATE TABLE filler AS SELECT randomblob(10000000)")

    if full == "database":
        monkeypatch.setattr(writer.Writer, "add_contents", fill)
    else:
        target = "_write_vectors" if full == "vectors" else "write_manifest"
        monkeypatch.setattr(f"ingest.commit.{target}", fail)
    with pytest.raises(KnowledgeBaseError, match="the disk is full"):
        run()
    assert contents(kb) == before
    monkeypatch.undo()
    assert counts(run()) == {"added": 1, "updated": 1}
    assert len(contents(kb)) == 2


def test_progress_is_told_of_everything(run: Any, tree: Any) -> None:
    seen: dict[str, int] = {}
    failures = []

    class Listener:
        def start(self, stage: str, total: int | None) -> None:
            seen[f"start {stage}"] = total or 0

        def advance(self, stage: str, n: int = 1) -> None:
            seen[stage] = seen.get(stage, 0) + n

        def failed(self, path: str, reason: str) -> None:
            failures.append((Path(path).name, reason))

    tree(
        {
            "a.txt": "One.",
            "b.txt": "",
            "c.txt": "Two.",
            "d.jsonl": json.dumps({"id": "1", "text": "x"}),
        }
    )
    report = run(progress=Listener())
    assert seen["start read"] == seen["read"] == 4
    assert seen["embed"] == seen["index"] == report.chunks == 3
    assert failures == [("b.txt", "empty")]
    SILENT.advance("read")


def test_readers_move_on_between_queries(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": "First text."})
    run()
    base = KnowledgeBase.open(kb)
    vector = HashEmbedder().embed(["second"])[0]
    stop, errors = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                hits = base.dense(vector, 5)
                assert base.chunks([hit.row for hit in hits])
                assert base.lexical(["text"], 5)
            except (KnowledgeBaseError, AssertionError) as error:
                errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(4):
        tree({f"{n}.txt": f"Second text {n}."})
        run()
    stop.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert base.generation == 5
    assert len(base.dense(vector, 10)) == 5
    base.close()
    assert np.isclose(
        base.similarity(vector, [base.dense(vector, 1)[0].row])[0], base.dense(vector, 1)[0].score
    )


def test_a_purge_leaves_nothing_of_old_generations(run: Any, tree: Any, kb: Path) -> None:
    for n in range(4):
        tree({"a.txt": f"Version {n} uniqueword{n}."})
        run()
    rows = sqlite3.connect(kb / "surefoot.db")
    for table in ("contents", "texts", "chunks", "vectors", "paths"):
        assert rows.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,), table
    found = rows.execute("SELECT count(*) FROM lexical WHERE lexical MATCH 'uniqueword0'")
    assert found.fetchone() == (0,)
    rows.close()
    assert sorted(f.name for f in kb.glob("*.faiss")) == ["vectors-3.faiss", "vectors-4.faiss"]
