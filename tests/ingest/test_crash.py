"""kill -9 anywhere: the last generation answers, and running again ends like a job undisturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from ingest.build import ingest
from ingest.errors import KnowledgeBaseMissing
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

KILLS = 6
CHILD = """
import sys, time
from ingest import sink
from ingest.build import ingest
from ingest.testing import HashEmbedder

sink._BATCH_CHUNKS = 8
class Slow(HashEmbedder):
    def embed(self, texts):
        time.sleep(0.08)
        return super().embed(texts)

print("ready", flush=True)
ingest([sys.argv[1]], sys.argv[2], Slow(), prune=True)
print("done", flush=True)
"""


def contents(kb: Path) -> list[object]:
    base = KnowledgeBase.open(kb)
    assert base.verify().problems == ()
    query = HashEmbedder().embed(["sentence about topic 7"])[0]
    hits = base.dense(query, 10_000)
    found = zip(base.chunks([hit.row for hit in hits]), hits, strict=True)
    chunks = sorted((c.document, c.chunk_id, c.start, c.text, round(h.score, 5)) for c, h in found)
    documents = [(r.document, r.paths, r.sha256, r.title, r.chunks) for r in base.documents()]
    return [chunks, documents]


def write(root: Path, version: int) -> None:
    root.mkdir(exist_ok=True)
    for n in range(60):
        body = " ".join(f"Sentence {i} about topic {n % 50} in {version}." for i in range(60))
        (root / f"{n:02}.md").write_text(f"# Topic {n % 50}\n\n{body}\n")
    (root / f"{version:02}.md").unlink()


def run_and_kill(root: Path, kb: Path, after: float) -> bool:
    """Whether the child was killed before it ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), str(kb)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    return child.communicate()[0] != "done\n"


def test_killed_jobs(tmp_path: Path) -> None:
    root, kb = tmp_path / "docs", tmp_path / "kb"
    chance = random.Random(7)
    killed = 0
    before: list[object] | None = None
    for version in (1, 2):
        write(root, version)
        for _ in range(KILLS // 2):
            killed += run_and_kill(root, kb, chance.uniform(0.05, 0.9))
            if before is None:
                try:
                    before = contents(kb)
                except KnowledgeBaseMissing:
                    continue
        undisturbed = tmp_path / f"undisturbed-{version}"
        ingest([root], undisturbed, HashEmbedder())
        if version == 2 and before is not None:
            assert contents(kb) in (before, contents(undisturbed))
        ingest([root], kb, HashEmbedder(), prune=True)
        before = contents(kb)
        assert before == contents(undisturbed)
    # Each version takes over a second from nothing, so at least its first child was killed.
    assert killed >= 2
