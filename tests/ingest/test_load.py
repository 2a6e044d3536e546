"""Discovery misses nothing; loading keeps the order and survives any file."""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ingest.isolation import TaskFailed, Workers
from ingest.load import Limits, Loader, Result, Source, content_hash, discover
from ingest.types import Failure, ParsedDocument

ROOT = os.geteuid() == 0
LIMITS = Limits(workers=1)


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text of " + os.fsencode(name))
    return folder


def names(sources: Sequence[Source], folder: Path) -> list[str]:
    return [str(source.path.relative_to(folder.resolve())) for source in sources]


def load(*paths: Path, limits: Limits = LIMITS) -> list[tuple[Source, Result]]:
    with Loader(limits) as loader:
        return list(loader.load(discover(paths, limits)[0]))


# Discovery


def test_a_tree_is_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    tree(tmp_path, "b.md", "a/z.txt", "a/b/c.txt", ".hidden.md", ".git/config", "c", "a/.x/y.md")
    found, failed = discover([tmp_path], LIMITS)
    assert names(found, tmp_path) == ["a/b/c.txt", "a/z.txt", "b.md", "c"]
    assert failed == []
    status = (tmp_path / "b.md").stat()
    assert found[2] == Source(
        tmp_path.resolve() / "b.md", status.st_size, status.st_mtime_ns, status.st_ino, False
    )


def test_what_is_named_twice_is_met_once(tmp_path: Path) -> None:
    tree(tmp_path, "a/x.md", "a/y.md")
    (tmp_path / "link").symlink_to(tmp_path / "a/x.md")
    paths = [tmp_path / "a/y.md", tmp_path, tmp_path / "a", tmp_path / "a/../a", tmp_path / "link"]
    found, failed = discover(paths, LIMITS)
    assert names(found, tmp_path) == ["a/y.md", "a/x.md"]
    assert failed == []


def test_a_hidden_file_that_is_named_is_meant(tmp_path: Path) -> None:
    tree(tmp_path, ".notes/.a.md")
    assert len(discover([tmp_path / ".notes"], LIMITS)[0]) == 0
    assert len(discover([tmp_path / ".notes/.a.md"], LIMITS)[0]) == 1


def test_relative_paths_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "docs/a.md")
    monkeypatch.chdir(tmp_path)
    found, failed = discover([Path("docs"), Path("none")], LIMITS)
    assert names(found, tmp_path) == ["docs/a.md"]
    assert failed == [Failure(str(tmp_path / "none"), "not found")]


def test_links(tmp_path: Path) -> None:
    tree(tmp_path, "in/a.md", "in/sub/b.md", "out/secret.md")
    inside = tmp_path / "in"
    (inside / "again.md").symlink_to(inside / "a.md")
    (inside / "sub/up").symlink_to(inside)
    (inside / "broken").symlink_to(inside / "nothing")
    (inside / "circle").symlink_to(inside / "circle")
    (inside / "file.md").symlink_to(tmp_path / "out/secret.md")
    (inside / "folder").symlink_to(tmp_path / "out")
    found, failed = discover([inside], LIMITS)
    assert names(found, inside) == ["a.md", "sub/b.md"]
    reasons = {Path(failure.path).name: failure.reason for failure in failed}
    assert reasons["broken"] == "broken symbolic link: not found"
    assert reasons["circle"].startswith("broken symbolic link")
    assert reasons["file.md"].startswith("symbolic link out of the tree")
    assert reasons["folder"].startswith("symbolic link out of the tree")
    assert len(reasons) == 4


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        found, failed = discover([tmp_path, Path("/dev/null")], LIMITS)
    assert found == []
    assert [failure.reason for failure in failed] == ["not a regular file"] * 3


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    tree(tmp_path, "closed/a.md", "b.md", "c.md")
    (tmp_path / "b.md").chmod(0)
    (tmp_path / "closed").chmod(0)
    try:
        found, failed = discover([tmp_path], LIMITS)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert names(found, tmp_path) == ["c.md"]
    assert [failure.reason for failure in failed] == ["permission denied"] * 2


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", os.fsdecode(b"b\xff.md"))
    found, failed = discover([tmp_path], LIMITS)
    assert names(found, tmp_path) == ["a.md"]
    assert failed == [Failure(f"{tmp_path.resolve()}/b?.md", "its name is not valid text")]


def test_size_limits_are_for_files_not_for_corpora(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 3_000_000)
    (tmp_path / "big.jsonl").write_text('{"id": "a", "text": "x"}\n' * 200_000)
    found, failed = discover([tmp_path], Limits(file_bytes=2 << 20))
    assert names(found, tmp_path) == ["big.jsonl"]
    assert found[0].is_corpus
    assert failed[0].reason == "too large: 2.9 MiB, at most 2.0 MiB are read"


def test_skipped_folders(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "kb/manifest.json")
    assert names(discover([tmp_path], LIMITS, [tmp_path / "kb"])[0], tmp_path) == ["a.md"]


def test_a_deep_tree(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 400)
    deep.mkdir(parents=True)
    (deep / "a.md").write_text("x")
    assert len(discover([tmp_path], LIMITS)[0]) == 1


def test_content_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000_000)
    assert content_hash(tmp_path / "a") == hashlib.sha256(b"x" * 1_000_000).hexdigest()


# Loading


def test_everything_comes_back_in_order(tmp_path: Path) -> None:
    for number in range(60):
        html = number % 3 == 0
        name = f"{number:03}.{'html' if html else 'md'}"
        (tmp_path / name).write_text(f"<html><p>{number}" if html else f"{number}\n")
    (tmp_path / "030.html").write_bytes(b"")
    (tmp_path / "031.md").write_bytes(b"\n")
    (tmp_path / "032.md").write_bytes(b"\x89PNG\r\n\x1a\n")
    results = load(tmp_path, limits=Limits(workers=2))
    assert [source.path.name[:3] for source, _ in results] == [f"{n:03}" for n in range(60)]
    for number, (source, result) in enumerate(results):
        if number in (30, 31):
            assert result == Failure(str(source.path), "empty")
        elif number == 32:
            assert result == Failure(str(source.path), "unsupported format: png")
        else:
            assert isinstance(result, ParsedDocument)
            assert result.text.strip() == str(number)


def test_a_worker_and_this_process_read_alike(tmp_path: Path) -> None:
    text = "# Title\n\nsome words\n" * 20_000
    (tmp_path / "large.md").write_text(text)
    (tmp_path / "small.md").write_text(text[:1000])
    (_, large), (_, small) = load(tmp_path)
    assert isinstance(large, ParsedDocument)
    assert isinstance(small, ParsedDocument)
    assert large.text == text
    assert large.sections[:2] == small.sections[:2]


def test_a_file_that_goes_away_fails_alone(tmp_path: Path) -> None:
    tree(tmp_path, "a.md", "b.html", "c.md")
    sources, _ = discover([tmp_path], LIMITS)
    (tmp_path / "a.md").unlink()
    (tmp_path / "b.html").unlink()
    with Loader(LIMITS) as loader:
        results = [result for _, result in loader.load(sources)]
    assert results[:2] == [Failure(str(source.path), "not found") for source in sources[:2]]
    assert isinstance(results[2], ParsedDocument)


def test_too_little_memory_fails_files_and_not_the_job(tmp_path: Path) -> None:
    tree(tmp_path, "a.html", "b.md", "c.html")
    results = load(tmp_path, limits=Limits(workers=1, memory_bytes=60 << 20))
    assert [isinstance(result, Failure) for _, result in results] == [True, False, True]


def test_reading_runs_ahead_but_not_away(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{number:03}.md" for number in range(200)))
    sources, _ = discover([tmp_path], LIMITS)
    feed = iter(sources)
    with Loader(LIMITS) as loader:
        next(loader.load(feed))
    assert 180 <= len(list(feed)) < 200


def test_gzip_that_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"x": 1}'))
    ((_, result),) = load(tmp_path)
    assert isinstance(result, Failure)
    assert result.reason == "unsupported format: gzip"


# Isolation


def test_a_hang_a_crash_and_a_blow_up_cost_one_task_each() -> None:
    workers = Workers(count=1, seconds=1.0, memory_bytes=1 << 30)
    try:
        tasks: list[tuple[Callable[..., object], tuple[object, ...], str]] = [
            (time.sleep, (60,), "timeout: not read within 1 s"),
            (os._exit, (3,), "crashed"),
            (ctypes.string_at, (0,), "crashed"),
            (bytearray, (2 << 30,), "too large"),
            (int, ("words",), "crashed: ValueError"),
        ]
        for function, arguments, expected in tasks:
            bad = workers.submit(function, *arguments)
            good = workers.submit(len, "four")
            with pytest.raises(TaskFailed) as caught:
                workers.collect(bad, function, *arguments)
            assert caught.value.reason.startswith(expected)
            assert workers.collect(good, len, "four") == 4
    finally:
        workers.close()


SCRIPT = """
import sys
print("ran")
from pathlib import Path
from ingest.load import Limits, Loader, discover
limits = Limits(workers=2)
with Loader(limits) as loader:
    for source, result in loader.load(discover([Path(sys.argv[1])], limits)[0]):
        print(source.path.name, result.title)
"""


def test_a_script_without_a_main_guard_works_and_runs_once(tmp_path: Path) -> None:
    tree(tmp_path, "docs/a.html", "docs/b.html")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "docs"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.split("\n") == ["ran", "a.html a", "b.html b", ""]


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    tree(tmp_path, "a.html")
    script = SCRIPT.replace(
        "        print(source",
        "        import time; print('up', flush=True)\n"
        "        time.sleep(60)\n        print(source",
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline() for _ in range(2)] == ["ran\n", "up\n"]
        children = _children(parent.pid)
        assert children
        parent.kill()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}/cmdline").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    """Processes with this parent."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended while we looked
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found
