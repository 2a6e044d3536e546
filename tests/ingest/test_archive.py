"""Archives: every member a document or a named failure, and no archive does any harm."""

from __future__ import annotations

import io
import stat
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.isolation import TaskFailed
from ingest.load import Limits, Loader, discover
from ingest.pages import Page, Reach
from ingest.readers.members import read_page
from ingest.readers.part import harmless_path
from ingest.store import KnowledgeBase
from ingest.types import Failure, IngestReport, ParsedDocument

COLUMNS = ("added", "updated", "unchanged", "removed", "duplicates")
ONE = Limits(workers=1)


def pack(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def counts(report: IngestReport) -> dict[str, int]:
    found = {name: getattr(report, name) for name in COLUMNS if getattr(report, name)}
    return found | ({"failed": len(report.failed)} if report.failed else {})


def read(data: bytes, folder: Path, name: str = "a.zip", reach: Reach | None = None) -> Page:
    path = folder / name
    path.write_bytes(data)
    page = read_page(str(path), 0, reach or Reach())
    assert page is not None
    return page


def found(page: Page) -> dict[str, str]:
    """What each member became, by the end of its identity: its text, or "! " and the reason."""
    return {
        member.identity.partition(".zip")[2]: member.result.text.strip()
        if isinstance(member.result, ParsedDocument)
        else f"! {member.result.reason}"
        for member in page.members
    }


def test_each_member_is_a_document(tmp_path: Path) -> None:
    data = pack({
        "a.txt": "alpha",
        "folder/": "",
        "folder/b.md": "# Beta",
        "folder/c.bin": bytes(range(256)),
        "empty.txt": "",
        ".hidden/x.md": "no",
        "__MACOSX/a.txt": "no",
    })  # fmt: skip
    assert found(read(data, tmp_path)) == {
        "!/a.txt": "alpha",
        "!/folder/b.md": "# Beta",
        "!/folder/c.bin": "! unsupported format: binary data",
        "!/empty.txt": "! empty",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("..\\..\\windows\\a.txt", "windows/a.txt"),
        ("a/./b//c.txt", "a/b/c.txt"),
        ("a!/b.txt", "a!/b.txt".replace("!/", "/")),
        ("bad\x00\n\ud800name", "bad name"),
        ("../..", ""),
    ],
)
def test_names_lead_nowhere(name: str, expected: str) -> None:
    assert harmless_path(name) == expected


@given(st.text(max_size=60))
def test_for_every_name_the_path_stays_inside(name: str) -> None:
    path = harmless_path(name)
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert path.isprintable() or not any(char < " " for char in path)
    path.encode("utf-8")


def test_nothing_is_written_and_no_link_is_followed(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../outside.txt", "x marks it")
        link = zipfile.ZipInfo("link.txt")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    inside = tmp_path / "in"
    inside.mkdir()
    assert found(read(packed.getvalue(), inside)) == {
        "!/outside.txt": "x marks it",
        "!/link.txt": "! symbolic link in an archive, not followed",
    }
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["in", "a.zip"]


def test_archives_in_archives_two_deep(tmp_path: Path) -> None:
    third = pack({"c.txt": "gamma"})
    second = pack({"b.txt": "beta", "third.zip": third})
    data = pack({"a.txt": "alpha", "second.zip": second})
    assert found(read(data, tmp_path)) == {
        "!/a.txt": "alpha",
        "!/second.zip!/b.txt": "beta",
        "!/second.zip!/third.zip": "! nested too deeply: over 2 archives or 4 messages",
    }


def test_bombs(tmp_path: Path) -> None:
    bomb = pack({"zeros.txt": bytes(60 << 20)})
    began = time.monotonic()
    assert found(read(bomb, tmp_path)) == {"": "! too large: unpacks to 60 MiB"}
    nested = pack({"bomb.zip": bomb, "a.txt": "alpha"})
    assert found(read(nested, tmp_path)) == {
        "!/bomb.zip": "! too large: unpacks to 60 MiB",
        "!/a.txt": "alpha",
    }
    assert time.monotonic() - began < 5


def test_a_member_that_holds_more_than_it_declares(tmp_path: Path) -> None:
    data = bytearray(pack({"a.txt": "x" * 100_000, "b.txt": "beta"}))
    size = (100_000).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (10).to_bytes(4, "little")
    told = found(read(bytes(data), tmp_path))
    assert told["!/a.txt"].startswith("! corrupt: BadZipFile")
    assert told["!/b.txt"] == "beta"


def test_encrypted_members_are_named(tmp_path: Path) -> None:
    data = bytearray(pack({"a.txt": "alpha", "b.txt": "beta"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + offset] |= 1
    assert found(read(bytes(data), tmp_path)) == {
        "!/a.txt": "! encrypted: needs a password",
        "!/b.txt": "beta",
    }


def test_damaged_archives(tmp_path: Path) -> None:
    data = pack({"a.txt": "alpha"})
    assert found(read(data[:-10], tmp_path))[""].startswith("! corrupt ZIP")
    assert found(read(pack({}), tmp_path)) == {"": "! empty"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_loses_nothing(run: Any, tree: Any, kb: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for text in ("one", "two", "one"):
            archive.writestr("a.txt", text)
    root = tree({})
    (root / "a.zip").write_bytes(packed.getvalue())
    for expected in ({"added": 2, "duplicates": 1}, {"unchanged": 2, "duplicates": 1}):
        assert counts(run()) == expected
    first, second = KnowledgeBase.open(kb).documents()
    assert first.document == str(root / "a.zip!/a.txt")
    assert second.document.startswith(first.document + "~")


def test_a_life(run: Any, tree: Any, kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree({"same.txt": "beta"})
    (root / "a.zip").write_bytes(
        pack({"a.txt": "alpha", "b.txt": "beta", "c.png": b"\x89PNG\r\n\x1a\n"})
    )
    report = run()
    assert counts(report) == {"added": 2, "duplicates": 1, "failed": 1}
    assert report.failed == (Failure(str(root / "a.zip!/c.png"), "unsupported format: png"),)
    base = KnowledgeBase.open(kb)
    assert base.verify().ok
    assert {record.path for record in base.documents()} == {str(root / "a.zip")}

    def never(*_: object) -> Page:
        raise AssertionError("an unchanged archive was read")

    monkeypatch.setattr(Loader, "_begin", never)
    assert counts(run()) == {"unchanged": 3, "failed": 1}
    assert counts(run(dry_run=True)) == {"unchanged": 3, "failed": 1}
    monkeypatch.undo()

    (root / "a.zip").write_bytes(pack({"a.txt": "alpha!", "d.txt": "delta"}))
    assert counts(run()) == {"added": 1, "updated": 1, "unchanged": 1}
    assert counts(run(prune=True)) == {"unchanged": 3, "removed": 1}
    assert counts(run(prune=True)) == {"unchanged": 3}
    (root / "a.zip").unlink()
    assert counts(run(prune=True)) == {"unchanged": 1, "removed": 2}


def test_a_moved_archive_is_not_read_again(
    run: Any, tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree({})
    (root / "a.zip").write_bytes(pack({"a.txt": "alpha"}))
    run()
    (root / "a.zip").rename(root / "b.zip")
    monkeypatch.setattr(Loader, "_begin", lambda *_: pytest.fail("read"))
    report = run(prune=True)
    assert report.failed == ()
    assert report.chunks == 0


def test_what_failed_is_not_pruned(run: Any, tree: Any) -> None:
    root = tree({})
    (root / "a.zip").write_bytes(pack({"a.txt": "alpha", "in.zip": pack({"b.txt": "beta"})}))
    assert counts(run()) == {"added": 2}
    (root / "a.zip").write_bytes(pack({"a.txt": "alpha", "in.zip": b"PK\x03\x04 damaged"}))
    assert counts(run(prune=True)) == {"unchanged": 1, "failed": 1}
    (root / "a.zip").write_bytes(b"PK\x03\x04 damaged")
    assert counts(run(prune=True)) == {"failed": 1}


def test_a_zip_that_becomes_a_text_is_pruned(run: Any, tree: Any) -> None:
    root = tree({})
    (root / "a.zip").write_bytes(pack({"a.txt": "alpha"}))
    run()
    (root / "a.zip").write_text("words now")
    assert counts(run(prune=True)) == {"added": 1, "removed": 1}


def test_many_members_come_in_pages(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack({f"{n:04}.txt": f"text {n}" for n in range(2500)}))
    path, start, names = str(tmp_path / "a.zip"), 0, list[str]()
    pages = 0
    while True:
        page = read_page(path, start, Reach())
        assert page is not None
        names += [member.identity[-8:-4] for member in page.members]
        pages += 1
        if page.following is None:
            break
        start = page.following
    assert names == [f"{n:04}" for n in range(2500)]
    assert pages == 3


class Doomed:
    """Workers in this process, in which reading one document kills the reader."""

    def __init__(self, guilty: str) -> None:
        self._guilty = guilty
        self.tasks = 0

    def submit(self, function: Callable[..., Page], *arguments: Any) -> Callable[[], Page]:
        return partial(function, *arguments)

    def collect(self, pending: Callable[[], Page], *_: object) -> Page:
        self.tasks += 1
        page = pending()
        members = page.members if isinstance(page, Page) else ()
        done = [one.identity for one in members if isinstance(one.result, ParsedDocument)]
        if any(identity.endswith(self._guilty) for identity in done):
            raise TaskFailed("crashed")
        return page

    def close(self) -> None:
        return None


@pytest.mark.parametrize("guilty", ["a.txt", "b.txt", "c.txt"])
def test_a_member_that_kills_its_reader_fails_alone(tmp_path: Path, guilty: str) -> None:
    names = ["a.txt", "b.txt", "c.txt"]
    (tmp_path / "a.zip").write_bytes(pack({name: name * 2 for name in names}))
    loader = Loader(ONE)
    loader.__exit__(None, None, None)
    loader._workers = Doomed(guilty)  # type: ignore[assignment]
    ((source, result),) = loader.load(discover([tmp_path / "a.zip"], ONE)[0])
    assert isinstance(result, Page)
    results = {member.identity[-5:]: member.result for member in loader.members(source, result)}
    assert list(results) == names
    for name in names:
        if name == guilty:
            assert results[name] == Failure(str(tmp_path / f"a.zip!/{name}"), "crashed")
        else:
            assert isinstance(results[name], ParsedDocument)


def test_less_is_read_where_reading_kills(tmp_path: Path) -> None:
    data = pack({"a.txt": "alpha", "in.zip": pack({"b.txt": "beta"})})
    assert found(read(data, tmp_path, reach=Reach(1000, 0, "crashed"))) == {
        "!/a.txt": "! crashed",
        "!/in.zip!/b.txt": "! crashed",
    }
    assert found(read(data, tmp_path, reach=Reach(1000, -1, "crashed"))) == {
        "!/a.txt": "! crashed",
        "!/in.zip": "! crashed",
    }
    assert list(found(read(data, tmp_path, reach=Reach(1, -1, "crashed")))) == ["!/a.txt"]


def test_programs_are_no_archives_of_documents(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(pack({"a.txt": "alpha"}))
    assert read_page(str(tmp_path / "a.jar"), 0, Reach()) is None


BASE = pack({"a.txt": "alpha " * 50, "b.md": "# Beta", "in.zip": pack({"c.txt": "gamma"})})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(4, len(BASE) - 1), st.integers(0, 255)), max_size=6))
def test_every_damage_ends_in_named_failures(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(BASE)
    for at, value in flips:
        data[at] = value
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    page = read_page(str(path), 0, Reach())
    if page is not None:
        assert page.members
        assert page.following is None
