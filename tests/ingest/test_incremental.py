"""What a second job costs and says: hashes, vectors, moves, and the plan that a dry run prints."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.errors import KnowledgeBaseBusy
from ingest.lock import writer_lock
from ingest.plan import Change
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import IngestReport

COLUMNS = ("added", "updated", "unchanged", "removed", "duplicates")


def counts(report: IngestReport) -> dict[str, int]:
    return {name: getattr(report, name) for name in COLUMNS if getattr(report, name)}


def parts(*names: str) -> str:
    """A document whose sections are a chunk each."""
    return "\n\n".join(f"# Part {name}\n\n" + f"Sentence about {name}. " * 30 for name in names)


def vectors(kb: Path) -> dict[str, int]:
    """Which stored vector each chunk's text has."""
    base = KnowledgeBase.open(kb)
    rows = base._rows(
        "SELECT text, vector FROM chunks WHERE gen_added <= :g"
        " AND (gen_removed IS NULL OR gen_removed > :g)",
        {"g": base.generation},
    )
    base.close()
    return dict(rows)


def test_only_new_chunks_are_embedded(tree: Any, kb: Path) -> None:
    embedder = HashEmbedder()
    root = tree({"a.md": parts("one", "two", "three"), "b.md": parts("four")})
    ingest([root], kb, embedder)
    before, embedded = vectors(kb), embedder.embedded
    tree({"a.md": parts("one", "new", "three")})
    assert counts(ingest([root], kb, embedder)) == {"updated": 1, "unchanged": 1}
    after = vectors(kb)
    fresh = after.keys() - before.keys()
    assert embedder.embedded - embedded == len(fresh) == 1
    assert {text: after[text] for text in after.keys() - fresh} == {
        text: before[text] for text in after.keys() - fresh
    }
    assert {"two" in text for text in before.keys() - after.keys()} == {True}


def test_touched_files_cost_a_hash_and_no_more(tree: Any, kb: Path, monkeypatch: Any) -> None:
    root = tree({f"{n}.txt": f"Text {n}." for n in range(4)})
    long_ago = time.time() - 100
    for path in root.iterdir():
        os.utime(path, (long_ago, long_ago))
    embedder = HashEmbedder()
    hashed: list[str] = []
    from ingest import hashes

    plain = hashes.content_hash
    monkeypatch.setattr(
        hashes, "content_hash", lambda path: (hashed.append(path.name), plain(path))[1]
    )
    ingest([root], kb, embedder)
    assert sorted(hashed) == ["0.txt", "1.txt", "2.txt", "3.txt"]
    hashed.clear()
    embedded = embedder.embedded
    os.utime(root / "2.txt", (long_ago + 5, long_ago + 5))
    assert counts(ingest([root], kb, embedder)) == {"unchanged": 4}
    assert hashed == ["2.txt"]
    assert embedder.embedded == embedded


def test_moved_files_are_updates_that_embed_nothing(tree: Any, kb: Path) -> None:
    root = tree({"a.md": parts("one", "two"), "b.md": parts("three"), "deep/c.txt": "Deep."})
    embedder = HashEmbedder()
    ingest([root], kb, embedder)
    before, embedded = vectors(kb), embedder.embedded
    (root / "a.md").rename(root / "z.md")
    (root / "deep").rename(root / "other")

    # Without --prune the old path stays, and the new one is a copy of it.
    dry = ingest([root], kb, embedder, dry_run=True)
    assert counts(dry) == {"duplicates": 2, "unchanged": 1}

    changes: list[Change] = []
    report = ingest([root], kb, embedder, prune=True, changed=changes.append)
    assert counts(report) == {"updated": 2, "unchanged": 1}
    assert [(c.outcome, c.path, c.was) for c in changes] == [
        ("moved", str(root / "other/c.txt"), str(root / "deep/c.txt")),
        ("moved", str(root / "z.md"), str(root / "a.md")),
    ]
    assert embedder.embedded == embedded
    assert vectors(kb) == before
    names = {Path(record.path).name for record in KnowledgeBase.open(kb).documents()}
    assert names == {"b.md", "c.txt", "z.md"}
    assert counts(ingest([root], kb, embedder, prune=True)) == {"unchanged": 3}


def test_a_copy_is_a_move_once(tree: Any, kb: Path, run: Any) -> None:
    root = tree({"a.txt": "Same.", "b.txt": "Other."})
    run()
    (root / "a.txt").rename(root / "c.txt")
    tree({"d.txt": "Same."})
    assert counts(run(prune=True)) == {"updated": 1, "unchanged": 1, "duplicates": 1}
    record = next(r for r in KnowledgeBase.open(kb).documents() if len(r.paths) == 2)
    assert {Path(path).name for path in record.paths} == {"c.txt", "d.txt"}


def test_a_dry_run_tells_what_the_job_then_does(tree: Any, kb: Path, run: Any) -> None:
    line = {"id": "k1", "title": "T", "text": "A line of a corpus."}
    root = tree({"a.txt": "Text.", "b.txt": "Text two.", "c.jsonl": json.dumps(line)})
    run()
    tree({"a.txt": "Changed.", "b.txt": None, "c.jsonl": json.dumps(line | {"id": "k2"})})
    tree({"e.txt": "Changed.", "f.txt": "New."})
    plan: list[Change] = []
    done: list[Change] = []
    would = run(prune=True, dry_run=True, changed=plan.append)
    assert counts(run(prune=True, changed=done.append)) == counts(would)
    assert plan == done
    assert [(c.outcome.value, Path(c.document).name) for c in plan] == [
        ("updated", "a.txt"),
        ("duplicate", "e.txt"),
        ("added", "f.txt"),
        ("moved", "k2"),
        ("removed", "b.txt"),
    ]
    assert {c.path for c in plan if c.document == "k2"} == {str(root / "c.jsonl")}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("write", "copy", "move", "remove")),
        st.sampled_from("abcd"),
        st.sampled_from("abcd"),
        st.integers(0, 3),
    ),
    max_size=6,
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=1, max_size=3))
def test_any_history_ends_like_a_first_job(tmp_path_factory: Any, history: Any) -> None:
    """Whatever was done to the files: columns add up, and the base holds what is there now."""
    folder = tmp_path_factory.mktemp("life")
    root, kb = folder / "docs", folder / "kb"
    root.mkdir()
    for number, steps in enumerate([[("write", "a", "a", 0)], *history]):
        for kind, one, other, text in steps:
            act(root, kind, one, other, text)
        report = ingest([root], kb, HashEmbedder(), prune=True)
        there = sorted(path.name for path in root.iterdir())
        met = report.added + report.updated + report.unchanged + report.duplicates
        assert met + len(report.failed) == len(there)
        if not kb.exists():
            continue
        base = KnowledgeBase.open(kb)
        assert base.verify().problems == (), number
        found = {path: base.document_text(r.document) for r in base.documents() for path in r.paths}
        assert found == {str(root / name): (root / name).read_text() for name in there}
        base.close()


def act(root: Path, kind: str, one: str, other: str, text: int) -> None:
    if kind == "write":
        (root / one).with_suffix(".txt").write_text(f"Text {text}.")
        return
    source, target = (root / one).with_suffix(".txt"), (root / other).with_suffix(".txt")
    if not source.exists():
        return
    if kind == "remove":
        source.unlink()
    elif kind == "move":
        source.rename(target)
    elif one != other:
        target.write_bytes(source.read_bytes())


def test_a_second_writer_waits(tree: Any, kb: Path, run: Any) -> None:
    tree({"a.txt": "Text."})
    run()
    tree({"b.txt": "Gone when it is our turn."})
    holders: list[str] = []
    release = threading.Event()

    def hold() -> None:
        with writer_lock(kb):
            held.set()
            release.wait(20)
            tree({"b.txt": None, "c.txt": "There when it is our turn."})

    held = threading.Event()
    first = threading.Thread(target=hold)
    first.start()
    held.wait(20)
    began = time.monotonic()
    with pytest.raises(KnowledgeBaseBusy, match=f"process {os.getpid()} on "):
        run(wait=0.3)
    assert 0.2 < time.monotonic() - began < 10

    def told(holder: str) -> None:
        holders.append(holder)
        release.set()

    assert counts(run(wait=20, waiting=told)) == {"added": 1, "unchanged": 1}
    first.join()
    assert len(holders) == 1
    assert holders[0].startswith(f"process {os.getpid()} on ")
