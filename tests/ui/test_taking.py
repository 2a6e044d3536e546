"""Documents taken in from a page: sent files, their new versions, failures, a stop."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rag.assemble
from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError
from ingest.lock import writer_lock
from ingest.manifest import read_manifest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.verify import verify
from rag.scan import ScanReport, Suspect
from ui.page.job import Halted, Tally
from ui.taking import Batch, Order, earlier_uploads, take_in
from ui.uploads import UPLOADS, Sent, UploadError, safe_name

HR = frozenset({"hr"})
LEAVE = b"# Leave\n\nAnnual leave is twenty five days a year.\n"


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.assemble, "open_bulk_embedder", HashEmbedder)
    monkeypatch.setattr(rag.assemble, "scan_passages", lambda *_: ScanReport(1, 1))


def sent(name: str, text: bytes = LEAVE) -> Sent:
    return Sent(name, io.BytesIO(text))


def texts(kb: Path) -> dict[str, str]:
    base = KnowledgeBase.open(kb)
    return {Path(item.path).name: base.document_text(item.document) for item in base.documents()}


def files(kb: Path) -> list[str]:
    return sorted(path.name for path in (kb / UPLOADS).rglob("*") if path.is_file())


def test_the_first_files_make_a_base(tmp_path: Path) -> None:
    kb = tmp_path / "new" / "kb"
    taken = take_in(
        Order(kb, (sent("Übung 1.md"), sent("../../pay.md", b"# Pay\n\nMore.\n"))), Tally()
    )
    assert [report.added for report in taken.reports] == [2]
    assert set(texts(kb)) == {"Übung-1.md", "pay.md"}
    assert all(Path(change.path).is_relative_to(kb.resolve()) for change in taken.changes)


def test_bad_files_are_named_with_reasons_and_not_kept(tmp_path: Path) -> None:
    bad = {"a.pdf": b"%PDF-1.4 broken", "b.md": b"", "c.txt": b"\x00\x01\x02" * 90, "d.exe": b"MZ"}
    order = Order(tmp_path / "kb", (sent("good.md"), *(sent(*item) for item in bad.items())))
    tally = Tally()
    taken = take_in(order, tally)
    assert {failure.path for failure in taken.failed} == set(bad)
    assert all(failure.reason for failure in taken.failed)
    assert len(tally.read().failed) == len(bad)
    assert files(order.kb) == ["good.md"]


def test_bad_files_alone_make_no_base_and_bar_none(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    taken = take_in(Order(kb, (sent("run.exe"),)), Tally())
    assert not taken.reports
    assert [failure.path for failure in taken.failed] == ["run.exe"]
    take_in(Order(kb, (sent("good.md"),)), Tally())
    assert list(texts(kb)) == ["good.md"]


def test_a_folder_with_other_things_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(KnowledgeBaseError, match="no knowledge base"):
        take_in(Order(tmp_path, (sent("good.md"),)), Tally())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def again(kb: Path, text: bytes, groups: frozenset[str] = frozenset()) -> Any:
    earlier = earlier_uploads(kb, KnowledgeBase.open(kb).documents(), groups)
    return take_in(Order(kb, (sent("leave.md", text),), groups, earlier), Tally())


def test_a_new_version_replaces_the_old_one(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    take_in(Order(kb, (sent("leave.md"),)), Tally())
    taken = again(kb, b"# Leave\n\nThirty days.\n")
    assert taken.reports[0].updated == 1
    assert texts(kb) == {"leave.md": "# Leave\n\nThirty days.\n"}
    assert files(kb) == ["leave.md"]


def test_a_new_version_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    take_in(Order(kb, (sent("leave.md"),)), Tally())
    taken = again(kb, b"")
    assert [failure.path for failure in taken.failed] == ["leave.md"]
    assert texts(kb) == {"leave.md": LEAVE.decode()}
    (path,) = (kb / UPLOADS).rglob("leave.md")
    assert path.read_bytes() == LEAVE


def test_the_same_name_for_other_readers_is_another_document(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    take_in(Order(kb, (sent("leave.md"),)), Tally())
    again(kb, b"# Leave\n\nOf the hr.\n", HR)
    found = KnowledgeBase.open(kb).documents()
    assert {item.groups for item in found} == {frozenset(), HR}
    assert files(kb) == ["leave.md", "leave.md"]


class StopsAt(Tally):
    """Is asked to stop when this stage begins, or with its n-th step."""

    def __init__(self, stage: str, n: int = 0) -> None:
        super().__init__()
        self._stage, self._n = stage, n

    def start(self, stage: Any, total: int | None) -> None:
        if stage == self._stage and not self._n:
            self.halt()
        super().start(stage, total)

    def advance(self, stage: Any, n: int = 1) -> None:
        if stage == self._stage and self._n:
            self._n -= 1
            if not self._n:
                self.halt()
        super().advance(stage, n)


@pytest.mark.parametrize("tally", [StopsAt("read", 2), StopsAt("embed", 1), StopsAt("index")])
def test_a_stop_leaves_the_last_committed_base(tmp_path: Path, tally: Tally) -> None:
    kb = tmp_path / "kb"
    take_in(Order(kb, (sent("leave.md"),)), Tally())
    many = tuple(sent(f"n{n}.md", f"# Note {n}\n\nBerth {n}.\n".encode()) for n in range(5))
    earlier = earlier_uploads(kb, KnowledgeBase.open(kb).documents(), frozenset())
    with pytest.raises(Halted):
        take_in(Order(kb, (sent("leave.md", b"# New\n\nNew.\n"), *many), earlier=earlier), tally)
    assert texts(kb) == {"leave.md": LEAVE.decode()}
    assert files(kb) == ["leave.md"]
    assert verify(kb, read_manifest(kb)).ok
    taken = take_in(
        Order(kb, tuple(sent(f"n{n}.md", b"# N\n\nB %d.\n" % n) for n in range(5))), Tally()
    )
    assert taken.reports[0].added == 5


def test_a_stop_during_the_scan_keeps_what_was_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(kb: Path, progress: Tally) -> ScanReport:
        progress.start("scan", 3)
        raise AssertionError("it went on")

    monkeypatch.setattr(rag.assemble, "scan_passages", scan)
    taken = take_in(Order(tmp_path / "kb", (sent("leave.md"),)), StopsAt("scan"))
    assert taken.reports[0].added == 1
    assert taken.scan is None


def test_only_new_documents_are_named_as_suspects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(kb: Path, progress: Any) -> ScanReport:
        names = [item.document for item in KnowledgeBase.open(kb).documents()]
        return ScanReport(9, 9, tuple(Suspect(name, "t", 1) for name in (*names, "of others")))

    monkeypatch.setattr(rag.assemble, "scan_passages", scan)
    taken = take_in(Order(tmp_path / "kb", (sent("leave.md"),)), Tally())
    assert taken.scan is not None
    assert [Path(item.document).name for item in taken.scan.suspects] == ["leave.md"]


def test_another_writer_is_named(tmp_path: Path) -> None:
    kb = tmp_path / "kb"
    kb.mkdir()
    with writer_lock(kb), pytest.raises(KnowledgeBaseBusy, match="is being written by process"):
        take_in(Order(kb, (sent("leave.md"),)), Tally())
    assert files(kb) == []


def test_batches_have_their_own_readers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nText of {name}.\n")
    batches = (Batch((tmp_path / "a.md",), frozenset()), Batch((tmp_path / "b.md",), HR))
    order = Order(tmp_path / "kb", batches=batches)
    assert order.readers == HR
    assert len(take_in(order, Tally()).reports) == 2
    found = KnowledgeBase.open(order.kb).documents()
    assert {Path(item.path).name: item.groups for item in found} == {
        "a.md": frozenset(),
        "b.md": HR,
    }


PLAIN = st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=300)


@given(st.sampled_from(["", "x/", "..\\", "/"]), PLAIN, st.sampled_from([".md", ".PDF", ".txt"]))
def test_a_safe_name_is_one_plain_component(folder: str, stem: str, suffix: str) -> None:
    name = safe_name(f"{folder}{stem}{suffix}")
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= 255
    assert all(letter.isalnum() or letter in "-." for letter in name)


@pytest.mark.parametrize(
    "name", ["run.exe", "all.zip", ".surefoot.toml", "x/.md", "", "a" * 10_000]
)
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UploadError, match="kinds are taken"):
        safe_name(name)
