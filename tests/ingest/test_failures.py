"""Files that failed: named every time, read again only where that may help."""

from __future__ import annotations

import os
import sqlite3
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest import failures, load
from ingest.build import ingest
from ingest.failures import lasts, raised
from ingest.forget import forget
from ingest.isolation import TaskFailed
from ingest.load import Limits, Loader
from ingest.manifest import DATABASE
from ingest.repair import repair
from ingest.selection import Selection
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Failure, IngestReport

LIMITS = Limits(workers=1)
PDF = b"%PDF-1.4\nnothing that can be opened"
Run = Callable[..., IngestReport]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    return tmp_path / "kb"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.txt").write_text("A text that can be read.")
    return folder


@pytest.fixture
def run(docs: Path, kb: Path) -> Run:
    def ingest_here(limits: Limits = LIMITS, **options: Any) -> IngestReport:
        return ingest([docs], kb, HashEmbedder(), limits=limits, **options)

    return ingest_here


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were really read, in order; the test empties it."""
    names: list[str] = []
    plain = Loader._begin

    def begin(self: Loader, source: load.Source) -> Any:
        names.append(source.path.name)
        return plain(self, source)

    monkeypatch.setattr(Loader, "_begin", begin)
    return names


def reasons(report: IngestReport) -> dict[str, str]:
    return {Path(failure.path).name: failure.reason for failure in report.failed}


def records(kb: Path) -> list[str]:
    with closing(sqlite3.connect(kb / DATABASE)) as connection:
        return [Path(path).name for (path,) in connection.execute("SELECT path FROM failures")]


def test_named_every_time_and_read_once(docs: Path, kb: Path, run: Run, read: list[str]) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    (docs / "void.md").write_text(" \n")
    (docs / "closed.md").write_text("---\ngroups: [1]\n---\nWho may see this?")
    first = run()
    assert sorted(read) == ["bad.pdf", "closed.md", "good.txt", "void.md"]
    assert set(reasons(first)) == {"bad.pdf", "closed.md", "void.md"}
    read.clear()
    for options in ({}, {"prune": True}, {"dry_run": True}):
        again = run(**options)
        assert reasons(again) == reasons(first)
        assert again.unchanged == 1
    assert read == []
    assert sorted(records(kb)) == ["bad.pdf", "closed.md", "void.md"]
    assert KnowledgeBase.open(kb).verify().ok


def test_a_tree_of_nothing_but_failures(docs: Path, run: Run, read: list[str]) -> None:
    (docs / "good.txt").rename(docs / "bad.pdf")
    (docs / "bad.pdf").write_bytes(PDF)
    first = run()
    assert reasons(run()) == reasons(first)
    assert read == ["bad.pdf"]


def test_their_hashes_are_kept_too(docs: Path, kb: Path, run: Run) -> None:
    path = docs / "bad.pdf"
    path.write_bytes(PDF)
    long_ago = time.time() - 100
    os.utime(path, (long_ago, long_ago))
    run()
    with closing(sqlite3.connect(kb / DATABASE)) as connection:
        kept = [Path(row[0]).name for row in connection.execute("SELECT path FROM file_hashes")]
    assert "bad.pdf" in kept


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda run, _: run(retry_failed=True), id="asked for"),
        pytest.param(lambda run, _: run(replace(LIMITS, seconds=61)), id="raised limit"),
        pytest.param(lambda run, _: run(replace(LIMITS, seconds=59)), id="other limit"),
        pytest.param(lambda run, docs: rename(run, docs, "worse.pdf"), id="renamed"),
        pytest.param(lambda run, docs: rewrite(run, docs), id="changed"),
    ],
)
def test_what_makes_it_be_read_again(
    docs: Path, run: Run, read: list[str], change: Callable[[Run, Path], IngestReport]
) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    run()
    read.clear()
    assert len(change(run, docs).failed) == 1
    assert len(read) == 1


def rename(run: Run, docs: Path, name: str) -> IngestReport:
    (docs / "bad.pdf").rename(docs / name)
    return run()


def rewrite(run: Run, docs: Path) -> IngestReport:
    (docs / "bad.pdf").write_bytes(PDF + b" at all")
    return run()


def test_another_version_reads_again(
    docs: Path, run: Run, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    run()
    read.clear()
    monkeypatch.setattr(failures, "readers_version", lambda: "another")
    run()
    run()
    assert read == ["bad.pdf"]


@pytest.mark.parametrize("reason", ["timeout: not read within 60 s", "crashed: it ended with -9"])
def test_heavy_ones_wait_for_higher_limits(
    docs: Path, run: Run, read: list[str], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    (docs / "slow.pdf").write_bytes(PDF)

    def fail(*_: object) -> Failure:
        raise TaskFailed(reason)

    monkeypatch.setattr("ingest.isolation.Workers.collect", fail)
    assert reasons(run()) == {"slow.pdf": reason}
    for limits, times in (
        (LIMITS, 1),
        (replace(LIMITS, seconds=30), 1),
        (replace(LIMITS, seconds=30, memory_bytes=1 << 30), 1),
        (replace(LIMITS, seconds=90), 2),
        (LIMITS, 2),
        (replace(LIMITS, memory_bytes=5 << 30), 3),
    ):
        assert reasons(run(limits)) == {"slow.pdf": reason}
        assert read.count("slow.pdf") == times, limits


def test_what_may_pass_is_tried_each_time(
    docs: Path, kb: Path, run: Run, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    result = [Failure(str(docs / "bad.pdf"), "permission denied")]
    monkeypatch.setattr("ingest.isolation.Workers.collect", lambda *_: result[0])
    run()
    run()
    assert read.count("bad.pdf") == 2
    assert records(kb) == []


def test_a_copy_is_not_read_either(docs: Path, kb: Path, run: Run, read: list[str]) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    run()
    (docs / "deep").mkdir()
    (docs / "deep" / "bad.pdf").write_bytes(PDF)
    read.clear()
    assert len(run().failed) == 2
    (docs / "bad.pdf").unlink()
    assert len(run().failed) == 1
    assert read == []
    assert records(kb) == ["bad.pdf"]


def test_records_go_with_what_they_are_about(docs: Path, kb: Path, run: Run) -> None:
    for name in ("mended.txt", "gone.txt", "left.txt"):
        (docs / name).write_text(" ")
    run()
    (docs / "mended.txt").write_text("Now it says something.")
    (docs / "gone.txt").unlink()
    assert list(reasons(run())) == ["left.txt"]
    assert records(kb) == ["left.txt"]


def test_forgetting_a_document_forgets_its_failure(docs: Path, kb: Path, run: Run) -> None:
    run()
    (docs / "good.txt").write_text(" ")
    (docs / "other.txt").write_text("\n")
    assert set(reasons(run())) == {"good.txt", "other.txt"}
    forget(kb, Selection((str(docs / "good.txt"),)))
    assert records(kb) == ["other.txt"]
    assert b"good.txt" not in b"".join(
        path.read_bytes() for path in kb.rglob("*") if path.is_file()
    )


def test_forgetting_a_file_that_only_failed(docs: Path, kb: Path, run: Run) -> None:
    (docs / "harbour.txt").write_text(" ")
    (docs / "other.txt").write_text("\n")
    run()
    assert forget(kb, Selection((str(docs / "harbour.txt"),))).documents == ()
    assert records(kb) == ["other.txt"]
    held = b"".join(path.read_bytes() for path in kb.rglob("*") if path.is_file())
    assert b"harbour" not in held
    assert KnowledgeBase.open(kb).verify().ok


def test_verify_and_repair_know_them(docs: Path, kb: Path, run: Run) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    run()
    with closing(sqlite3.connect(kb / DATABASE)) as connection, connection:
        connection.execute("UPDATE failures SET limits = '{'")
    (problem,) = KnowledgeBase.open(kb).verify().problems
    assert "bad.pdf: the record of its failure is damaged" in problem
    mended = repair(kb)
    assert mended.ok
    assert mended.done == ("dropped 1 damaged records of files that failed",)
    assert records(kb) == []


def archive(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


@pytest.mark.parametrize("good", [{}, {"a.txt": b"A member that can be read."}])
def test_documents_in_a_file(
    docs: Path, kb: Path, run: Run, read: list[str], good: dict[str, bytes]
) -> None:
    archive(docs / "all.zip", {"bad.pdf": PDF, "void.txt": b" ", **good})
    first = run()
    assert set(reasons(first)) == {"bad.pdf", "void.txt"}
    read.clear()
    again = run()
    assert reasons(again) == reasons(first)
    assert again.unchanged == 1 + len(good)
    assert read == []
    assert reasons(run(replace(LIMITS, seconds=61))) == reasons(first)
    assert reasons(run(replace(LIMITS, seconds=61), retry_failed=True)) == reasons(first)
    assert read == ["all.zip"] * 2
    (docs / "all.zip").unlink()
    run(prune=True)
    (docs / "new.txt").write_text("So that there is a new generation.")
    run(prune=True)
    assert records(kb) == []
    with closing(sqlite3.connect(kb / DATABASE)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_a_base_without_records(docs: Path, kb: Path, run: Run, read: list[str]) -> None:
    """As an older program left it; a dry run may not make the table."""
    (docs / "bad.pdf").write_bytes(PDF)
    run()
    with closing(sqlite3.connect(kb / DATABASE)) as connection:
        connection.executescript("DROP TRIGGER paths_gone; DROP TABLE failures")
    read.clear()
    assert len(run(dry_run=True).failed) == 1
    assert len(run().failed) == 1
    assert len(run().failed) == 1
    assert read == ["bad.pdf", "bad.pdf"]


@pytest.mark.parametrize("spoil", ["limits = '{'", "limits = '[]'", "key = 'k'"])
def test_damaged_records_do_not_count(
    docs: Path, kb: Path, run: Run, read: list[str], spoil: str
) -> None:
    (docs / "bad.pdf").write_bytes(PDF)
    first = run()
    with closing(sqlite3.connect(kb / DATABASE)) as connection, connection:
        connection.execute(f"UPDATE failures SET {spoil}")
        assert failures.damaged(connection) == [str(docs / "bad.pdf")]
    assert reasons(run()) == reasons(first)
    assert read.count("bad.pdf") == 2
    with closing(sqlite3.connect(kb / DATABASE)) as connection:
        assert failures.damaged(connection) == []


@pytest.mark.parametrize(
    ("reason", "lasting"),
    [
        ("empty", True),
        ("corrupt PDF: it cannot be opened", True),
        ("corrupt: KeyError: 'x'", True),
        ("no text layer (scanned pages or drawings)", True),
        ("timeout: not read within 60 s", True),
        ("crashed: the reader process ended with -11", True),
        ("crashed: the reader process ended with -15", False),
        ("corrupt: OSError: [Errno 28] No space left on device", False),
        ("corrupt: ModuleNotFoundError: No module named 'x'", False),
        ("corrupt: ImportError: no", False),
        ("permission denied", False),
        ("changed while it was being read", False),
        ("too many open files", False),
    ],
)
def test_which_reasons_last(reason: str, lasting: bool) -> None:
    assert lasts(reason) is lasting


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"seconds": 60.0}, {"seconds": 60.0}, False),
        ({"seconds": 60.0}, {"seconds": 61.0}, True),
        ({"seconds": 60.0}, {"seconds": 59.0}, False),
        ({"ocr": False}, {"ocr": True}, True),
        ({"ocr": True}, {"ocr": False}, True),
        ({"seconds": 60.0}, {"seconds": 60.0, "ocr": False}, True),
    ],
)
def test_raised(before: dict[str, object], now: dict[str, object], expected: bool) -> None:
    assert raised(before, now) is expected
