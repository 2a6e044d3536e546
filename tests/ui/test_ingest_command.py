"""`surefoot ingest` as a person runs it: Ctrl-C, a plan, another writer, following a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.lock import writer_lock
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

AT_ONCE = 4
# The whole program with a fake embedder, which says how much it did.
PROGRAM = f"""
import sys, time
import rag.assemble
from ingest import sink
from ingest.testing import HashEmbedder
from ui.cli import main

sink._BATCH_CHUNKS = sink._EMBED_AT_ONCE = {AT_ONCE}
PAUSE = float(sys.argv[1])

class Slow(HashEmbedder):
    def embed(self, texts):
        time.sleep(PAUSE)
        print("embedded", len(texts), file=sys.stderr, flush=True)
        return super().embed(texts)

embedder = Slow()
rag.assemble.open_bulk_embedder = lambda: embedder
sys.argv[:2] = ["surefoot"]
main()
"""


def start(*words: object, pause: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(pause), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def run(*words: object) -> tuple[int, str, str]:
    return finish(start(*words))


def embedded(said: str) -> int:
    return sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("embedded"))


def texts(kb: Path) -> dict[str, str]:
    base = KnowledgeBase.open(kb)
    assert base.verify().problems == ()
    return {Path(r.document).name: base.document_text(r.document) for r in base.documents()}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    return tmp_path / "kb"


def test_ctrl_c_in_the_middle(docs: Path, kb: Path) -> None:
    for number in range(30):
        (docs / f"{number:02}.txt").write_text(f"Text of file {number}.")
        (docs / f"{number:02}.html").write_text(f"<h1>Page {number}</h1><p>Its words.</p>")
    process = start("ingest", docs, "--kb", kb, pause=0.3)
    assert process.stderr is not None
    seen = [process.stderr.readline() for _ in range(3)]
    # A terminal sends it to all processes of the job, readers included.
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert "the same command goes on where this one stopped" in err
    assert "Traceback" not in err
    assert not (kb / "manifest.json").exists()

    before = embedded("".join(seen) + err)
    code, out, err = run("ingest", docs, "--kb", kb, "--json")
    assert code == 0, err
    assert json.loads(out)["added"] == 60
    # Only the batch in hand may be done again: its vectors had no time to reach the disk.
    assert 60 <= before + embedded(err) <= 60 + AT_ONCE
    assert len(texts(kb)) == 60


def test_a_plan(docs: Path, kb: Path) -> None:
    (docs / "a.txt").write_text("Text.")
    (docs / "b.txt").write_text("Another.")
    ingest([docs], kb, HashEmbedder())
    (docs / "a.txt").rename(docs / "c.txt")
    (docs / "b.txt").write_text("Changed.")
    code, out, err = run("ingest", docs, "--kb", kb, "--dry-run", "--prune")
    assert code == 0, err
    assert out.splitlines()[:3] == [
        f"moved     {docs}/c.txt (was {docs}/a.txt)",
        f"updated   {docs}/b.txt",
        "Would be: 0 added, 2 updated, 0 unchanged, 0 removed, 0 duplicates, 0 failed",
    ]
    code, out, _ = run("ingest", docs, "--kb", kb, "--dry-run", "--prune", "--json")
    assert json.loads(out)["plan"] == [
        {
            "outcome": "moved",
            "document": f"{docs}/c.txt",
            "path": f"{docs}/c.txt",
            "was": f"{docs}/a.txt",
        },
        {"outcome": "updated", "document": f"{docs}/b.txt", "path": f"{docs}/b.txt", "was": None},
    ]
    assert set(texts(kb)) == {"a.txt", "b.txt"}


def test_another_writer(docs: Path, kb: Path) -> None:
    (docs / "a.txt").write_text("Text.")
    ingest([docs], kb, HashEmbedder())
    with writer_lock(kb):
        code, _, err = run("ingest", docs, "--kb", kb)
        assert code == 2
        assert f"is being written by process {os.getpid()} on " in err
        process = start("ingest", docs, "--kb", kb, "--wait", 50, "--json")
        assert process.stderr is not None
        assert process.stderr.readline().startswith(f"waiting for process {os.getpid()} on ")
    code, out, _ = finish(process)
    assert (code, json.loads(out)["unchanged"]) == (0, 1)


@contextmanager
def following(*words: object) -> Iterator[Any]:
    process = start("ingest", *words, "--watch")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        while not process.stderr.readline().startswith("Following "):
            assert process.poll() is None, process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_following_a_folder(docs: Path, kb: Path) -> None:
    (docs / "a.txt").write_text("Text.")
    with following(docs, "--kb", kb, "--prune") as process:
        first = [process.stdout.readline() for _ in range(4)]
        assert first[:2] == [
            f"added     {docs}/a.txt\n",
            "1 added, 0 updated, 0 unchanged, 0 removed, 0 duplicates, 0 failed\n",
        ]
        (docs / "b.txt").write_text("Another.")
        assert process.stdout.readline() == f"added     {docs}/b.txt\n"
        (docs / "empty.txt").write_text("")
        assert process.stdout.readline() == f"failed    {docs}/empty.txt: empty\n"
        (docs / "b.txt").rename(docs / "c.txt")
        assert process.stdout.readline() == f"moved     {docs}/c.txt (was {docs}/b.txt)\n"
        (docs / "a.txt").unlink()
        assert process.stdout.readline() == f"removed   {docs}/a.txt\n"
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
        assert err.endswith("No longer following.\n")
    assert texts(kb) == {"c.txt": "Another."}
    assert KnowledgeBase.open(kb).generation == 4


def test_what_excludes_each_other(docs: Path, kb: Path) -> None:
    code, _, err = run("ingest", docs, "--kb", kb, "--watch", "--dry-run")
    assert code == 2
    assert "exclude each other" in err
