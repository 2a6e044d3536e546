"""Whatever lies where a file was: one named failure, no hang, nothing fetched, nothing run."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.files import open_regular
from ingest.isolation import TaskFailed, Workers
from ingest.load import Limits, Loader, content_hash, discover
from ingest.types import Failure, ParsedDocument

ONE = Limits(workers=1)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (socket.create_connection, (("127.0.0.1", 9),)),
        (socket.gethostbyname, ("example.org",)),
        (subprocess.check_output, (["true"],)),
        (os.system, ("true",)),
        (os.posix_spawn, ("/bin/true", ["true"], {})),
    ],
)
def test_readers_reach_nothing_and_start_nothing(
    function: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    workers = Workers(count=1, seconds=20.0, memory_bytes=1 << 30)
    try:
        with pytest.raises(TaskFailed, match="is not allowed where files are read"):
            workers.collect(workers.submit(function, *arguments), function, *arguments)
    finally:
        workers.close()


def test_two_gigabytes_of_nothing_cost_no_time(run: Any, tree: Any) -> None:
    root = tree({"a.txt": "words"})
    for name in ("b.txt", "c.pdf", "d.csv"):
        with (root / name).open("wb") as file:
            file.truncate(2 << 30)
    began = time.monotonic()
    report = run()
    assert report.added == 1
    assert {failure.reason.split(":")[0] for failure in report.failed} == {"too large"}
    assert len(report.failed) == 3
    assert time.monotonic() - began < 20


def test_a_large_archive_with_nothing_in_it_fails_alone(run: Any, tree: Any) -> None:
    root = tree({"a.txt": "words"})
    with (root / "b.zip").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(400 << 20)
    report = run(limits=Limits(workers=1, seconds=20))
    assert report.added == 1
    (failure,) = report.failed
    assert failure.reason.startswith("corrupt ZIP")


@pytest.mark.parametrize("kind", ["fifo", "device", "link", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(OSError, match=r"regular|symbolic"):
        open_regular(path)
    with pytest.raises(OSError, match=r"regular|symbolic"):
        content_hash(path)


@pytest.mark.parametrize("name", ["b.txt", "b.html", "b.zip", "b.jsonl"])
def test_a_file_that_becomes_a_pipe_fails_alone(tmp_path: Path, name: str) -> None:
    for each in ("a.txt", name, "c.txt"):
        (tmp_path / each).write_text("words")
    sources, _ = discover([tmp_path], ONE)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with Loader(ONE) as loader:
        results = [result for _, result in loader.load(sources)]
    assert [isinstance(result, ParsedDocument) for result in results] == [True, False, True]
    assert results[1] == Failure(str(tmp_path / name), "not a regular file")


def test_devices_and_links_to_them(run: Any, tree: Any) -> None:
    root = tree({"a.txt": "words"})
    (root / "zero.txt").symlink_to("/dev/zero")
    os.mkfifo(root / "pipe.eml")
    report = run(root, Path("/dev/zero"))
    assert report.added == 1
    reasons = {Path(failure.path).name: failure.reason for failure in report.failed}
    assert reasons.pop("zero.txt").startswith("symbolic link out of the tree")
    assert reasons == {"pipe.eml": "not a regular file", "zero": "not a regular file"}
