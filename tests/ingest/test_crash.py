"""kill -9 anywhere: the last generation answers, and running again ends like a job undisturbed."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.errors import KnowledgeBaseMissing
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

KILLS = 200
FAULTS = 40
FILES = 24
FORKER = Path(__file__).with_name("forker.py")
TABLES = ("contents", "texts", "paths", "chunks", "vectors", "sketches", "bands")
VECTORS = """
  SELECT paths.identity, chunks.position, chunks.text, vectors.vector FROM chunks
  JOIN vectors ON vectors.id = chunks.vector
  JOIN paths ON paths.content = chunks.content AND paths.gen_removed IS NULL
  WHERE chunks.gen_removed IS NULL AND chunks.gen_added <= :g
    AND paths.gen_added <= :g ORDER BY 1, 2
"""
Ask = Any


@contextmanager
def forker() -> Iterator[Ask]:
    """A function that has a job run and come to harm, and says how it ended."""
    process = subprocess.Popen(
        [sys.executable, str(FORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, answers = process.stdin, process.stdout

    def ask(root: Path, kb: Path, harm: str, at: float) -> dict[str, Any]:
        order = {"root": str(root), "kb": str(kb), "harm": harm, "at": at}
        print(json.dumps(order), file=orders, flush=True)
        answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    with process:
        yield ask
        orders.close()


def contents(kb: Path) -> object:
    """All that a reader can see, of a base in which all is well; None where there is no base."""
    try:
        base = KnowledgeBase.open(kb)
    except KnowledgeBaseMissing:
        return None
    assert base.verify().problems == ()
    query = HashEmbedder().embed(["sentence about topic 7"])[0]
    hits = base.dense(query, 10_000)
    found = zip(base.chunks([hit.row for hit in hits]), hits, strict=True)
    chunks = sorted(
        (c.document, c.chunk_id, c.start, c.text, sorted(c.groups), round(h.score, 5))
        for c, h in found
    )
    documents = [
        (r.document, r.paths, r.sha256, r.title, r.chunks, sorted(r.groups), r.near)
        for r in base.documents()
    ]
    texts = [base.document_text(r.document) for r in base.documents()]
    base.close()
    return [chunks, documents, texts]


def rows(kb: Path) -> object:
    """What lies in the tables of a base that nobody writes: nothing is there twice."""
    generation = json.loads((kb / "manifest.json").read_text())["generation"]
    with closing(sqlite3.connect(kb / "surefoot.db")) as base:
        counts = [base.execute(f"SELECT count(*) FROM {table}").fetchone() for table in TABLES]
        return [counts, base.execute(VECTORS, {"g": generation}).fetchall()]


def text(chance: random.Random) -> str:
    topic = chance.randrange(20)
    count = chance.choice((3, 60, 150))
    body = " ".join(f"Sentence {chance.randrange(50)} about topic {topic}." for _ in range(count))
    return f"# Topic {topic}\n\n{body}\n"


def alter(root: Path, chance: random.Random) -> None:
    """Another version of the tree: files new, changed, copied, moved and gone."""
    root.mkdir(exist_ok=True)
    there = sorted(root.iterdir())
    for path in chance.sample(there, len(there) // 2):
        kind = chance.choice(("change", "twin", "copy", "move", "remove"))
        if kind == "change":
            path.write_text(text(chance))
        elif kind == "twin":
            (root / f"twin-{chance.random()}.md").write_text(path.read_text() + "One more.\n")
        elif kind == "copy":
            (root / f"copy-{chance.random()}.md").write_bytes(path.read_bytes())
        elif kind == "move":
            path.rename(root / f"moved-{chance.random()}.md")
        else:
            path.unlink()
    there = sorted(root.iterdir())
    for path in chance.sample(there, max(len(there) - FILES, 0)):
        path.unlink()
    while len(list(root.iterdir())) < FILES:
        (root / f"{chance.random()}.md").write_text(text(chance))


class Pair:
    """A base whose jobs come to harm and one, with the same history, whose jobs do not."""

    def __init__(self, folder: Path, ask: Ask, chance: random.Random) -> None:
        self.root, self.kb = folder / "docs", folder / "kb"
        self.whole = folder / "undisturbed"
        self._ask, self._chance = ask, chance
        self.before: object = None
        self.after: object = None
        self.full: dict[str, float] = {}

    def alter(self) -> None:
        alter(self.root, self._chance)
        self.before = self.after
        done = self._ask(self.root, self.whole, "none", 0)
        assert done["end"] == "done"
        size = sum(file.stat().st_size for file in self.whole.iterdir())
        self.full = {"time": done["seconds"], "statement": done["statements"], "bytes": size / 2}
        self.full["full disk"] = size
        self.full["file size"] = max(file.stat().st_size for file in self.whole.iterdir())
        self.after = contents(self.whole)

    def harm(self, harm: str) -> str:
        """One job that comes to harm somewhere; readers see the base before or after it."""
        at = self._chance.uniform(0, self.full[harm])
        end: str = self._ask(self.root, self.kb, harm, at)["end"]
        seen = contents(self.kb)
        assert seen == self.after or (seen == self.before and end != "done"), (harm, at, end)
        return end

    def finish(self) -> None:
        """The same command once more ends like the job that was not disturbed."""
        ingest([self.root], self.kb, HashEmbedder(), prune=True)
        assert contents(self.kb) == self.after
        assert rows(self.kb) == rows(self.whole)


def test_killed_at_200_points(tmp_path: Path) -> None:
    chance = random.Random(7)
    killed: Counter[str] = Counter()
    with forker() as ask:
        pair = Pair(tmp_path, ask, chance)
        while killed.total() < KILLS:
            pair.alter()
            for _ in range(8):
                harm = chance.choice(("time", "bytes", "statement"))
                if (end := pair.harm(harm)) == "done":
                    break
                assert end == "killed", end
                killed[harm] += 1
            pair.finish()
    assert min(killed.values()) >= KILLS // 10, killed


@pytest.mark.parametrize("harm", ["file size", "full disk"])
def test_writes_that_fail_anywhere(tmp_path: Path, harm: str) -> None:
    """A write that the system refuses, at any byte of any file, is one line and loses nothing."""
    if harm == "full disk" and not may_have_disk():
        pytest.skip("this system lets no process have a disk of its own")
    chance = random.Random(11)
    ends: Counter[str] = Counter()
    with forker() as ask:
        pair = Pair(tmp_path, ask, chance)
        while ends.total() < FAULTS:
            pair.alter()
            for _ in range(8):
                if (end := pair.harm(harm)) == "done":
                    break
                assert end.startswith(f"knowledge base {pair.kb}: "), end
                assert "\n" not in end
                ends[end.split(": ", 1)[1]] += 1
            pair.finish()
    said = {
        "file size": "surefoot.db: ",
        "full disk": "the disk is full; what was committed before",
    }
    assert all(end.startswith(said[harm]) for end in ends), ends


def may_have_disk() -> bool:
    program = f"import sys; sys.path.insert(0, {str(FORKER.parent)!r});"
    program += "import smalldisk; sys.exit(not smalldisk.allowed())"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
