"""Every kind of damage that a base can suffer is found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError
from ingest.lock import writer_lock
from ingest.manifest import read_manifest
from ingest.repair import repair
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.verify import verify

EMBEDDER = HashEmbedder()


def sql(*statements: str) -> Any:
    def damage(kb: Path) -> None:
        connection = sqlite3.connect(kb / "surefoot.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


def other_vector(kb: Path) -> None:
    path = str(kb / "vectors-1.faiss")
    index: Any = faiss.read_index(path)
    index.remove_ids(np.array([1]))
    index.add_with_ids(np.ones((1, 32), dtype=np.float32), np.array([1]))
    faiss.write_index(index, path)


def other_id(kb: Path) -> None:
    path = str(kb / "vectors-1.faiss")
    index: Any = faiss.read_index(path)
    vector = index.reconstruct(1)
    index.remove_ids(np.array([1]))
    index.add_with_ids(vector.reshape(1, -1), np.array([77]))
    faiss.write_index(index, path)


DAMAGE = [
    (sql("UPDATE texts SET text = text || '!' WHERE content = 1"), "recorded hash"),
    (sql("DELETE FROM texts WHERE content = 1"), "text is missing"),
    (sql("UPDATE chunks SET start = start + 1 WHERE row = 1"), "is not characters"),
    (sql("UPDATE chunks SET text = 'other' WHERE row = 1"), "word index"),
    (sql("DELETE FROM chunks WHERE row = 1"), "rows, the manifest says"),
    (sql("DELETE FROM contents WHERE row = 1"), "content is missing"),
    (sql("DELETE FROM paths WHERE row = 1"), "no path leads"),
    (sql("UPDATE contents SET chunks = 9 WHERE row = 1"), "9 recorded"),
    (sql("DELETE FROM vectors WHERE id = 1"), "stored vector is missing"),
    (sql("INSERT INTO lexical (rowid, text) VALUES (99, 'ghost')"), "word index"),
    (sql("UPDATE postings SET weights = x'05' WHERE term = 'titl'"), "word index: postings"),
    (sql("UPDATE postings SET term = 'other' WHERE term = 'titl'"), "the words of 3 chunks"),
    (sql("DELETE FROM postings WHERE term = '1'"), "the words of 1 chunks"),
    (sql("UPDATE postings SET rows = x'0000' || rows"), "postings cannot be read"),
    (sql("UPDATE segments SET lengths = zeroblob(12)"), "the number of words of 3 chunks"),
    (sql("UPDATE segments SET lengths = x'00'"), "postings cannot be read"),
    (other_vector, "is not the stored one"),
    (other_id, "holds row 77"),
]


@pytest.fixture
def base(run: Any, tree: Any, kb: Path) -> KnowledgeBase:
    tree({f"{n}.md": f"# Title {n}\n\nText number {n}." for n in range(3)})
    run()
    return KnowledgeBase.open(kb)


def test_a_sound_base(base: KnowledgeBase) -> None:
    report = base.verify()
    assert report.ok
    assert (report.documents, report.chunks) == (3, 3)


@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_damage_is_named(base: KnowledgeBase, kb: Path, damage: Any, words: str) -> None:
    damage(kb)
    report = base.verify()
    assert not report.ok
    assert any(words in problem for problem in report.problems), report.problems
    assert all("\n" not in problem for problem in report.problems)


def test_many_problems_of_a_kind_are_counted(run: Any, tree: Any, kb: Path) -> None:
    tree({f"{n}.txt": f"Text number {n}." for n in range(12)})
    run()
    sql("UPDATE contents SET text_sha256 = 'x'")(kb)
    assert "and 7 more of that kind" in KnowledgeBase.open(kb).verify().problems


def test_broken_pages_are_found(base: KnowledgeBase, kb: Path) -> None:
    base.close()
    path = kb / "surefoot.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 12] = b"\xaa" * 4096 * 9
    path.write_bytes(data)
    assert any(problem.startswith("database") for problem in base.verify().problems)


def chunk_groups(kb: Path) -> None:
    sql(
        "INSERT INTO group_sets (id, names) VALUES (99, '[\"hr\"]')",
        "UPDATE chunks SET group_set = 99 WHERE row = 1",
    )(kb)


def no_vector_file(kb: Path) -> None:
    (kb / "vectors-1.faiss").unlink()


def half_a_vector_file(kb: Path) -> None:
    path = kb / "vectors-1.faiss"
    path.write_bytes(path.read_bytes()[:100])


def wrong_manifest(kb: Path) -> None:
    path = kb / "manifest.json"
    path.write_text(path.read_text().replace('"documents": 3', '"documents": 4'))


# What is done, and how many documents are lost by it.
MENDED = [
    (sql("UPDATE texts SET text = text || '!' WHERE content = 1"), "took out 1", 1),
    (sql("DELETE FROM texts WHERE content = 1"), "took out 1", 1),
    (sql("UPDATE chunks SET text = 'other' WHERE row = 1"), "took out 1", 1),
    (sql("DELETE FROM chunks WHERE row = 1"), "took out 1", 1),
    (sql("DELETE FROM contents WHERE row = 1"), "belong to no document", 1),
    (sql("DELETE FROM paths WHERE row = 1"), "took out 1", 0),
    (sql("UPDATE contents SET chunks = 9 WHERE row = 1"), "took out 1", 1),
    (sql("DELETE FROM vectors WHERE id = 1"), "1 stored vectors from the vector file", 0),
    (sql("UPDATE vectors SET vector = zeroblob(128) WHERE id = 1"), "from the vector file", 0),
    (sql("INSERT INTO lexical (rowid, text) VALUES (99, 'ghost')"), "word index", 0),
    (sql("INSERT INTO lexical (lexical) VALUES ('delete-all')"), "word index", 0),
    (sql("DELETE FROM postings WHERE term = 'text'"), "word index", 0),
    (sql("UPDATE postings SET count = 0"), "word index", 0),
    (
        sql(
            "INSERT INTO segments SELECT id + 1, first, last, rows, lengths FROM segments",
            "INSERT INTO postings SELECT segment + 1, term, count, rows, weights FROM postings",
        ),
        "word index",
        0,
    ),
    (chunk_groups, "took out 1", 1),
    (other_vector, "vector file", 0),
    (other_id, "vector file", 0),
    (no_vector_file, "vector file", 0),
    (half_a_vector_file, "vector file", 0),
    (wrong_manifest, "vector file", 0),
    (lambda kb: (no_vector_file(kb), sql("DELETE FROM vectors WHERE id = 1")(kb)), "took out 1", 1),
]


@pytest.mark.parametrize(("damage", "words", "lost"), MENDED)
def test_repair(
    run: Any, tree: Any, base: Any, kb: Path, damage: Any, words: str, lost: int
) -> None:
    base.close()
    damage(kb)
    assert not verify(kb, read_manifest(kb)).ok
    report = repair(kb)
    assert report.after.problems == ()
    assert any(words in line for line in report.done), report.done
    assert len(report.lost) == lost
    assert report.ok == (lost == 0)
    mended = KnowledgeBase.open(kb)
    gone = 3 - len(mended.documents())
    assert gone == (1 if lost or words == "took out 1" else 0)
    assert all("/0.md" in path for path in report.lost)
    # What was taken out comes back with its file.
    assert run().added == gone
    assert mended.verify().ok
    assert {hit.row for hit in mended.lexical(["text"], 9)} == {
        hit.row for hit in mended.dense(EMBEDDER.embed(["text"])[0], 9)
    }


def test_repair_leaves_alone_what_is_well(base: KnowledgeBase, kb: Path) -> None:
    before = read_manifest(kb)
    report = repair(kb)
    assert (report.done, report.ok) == ((), True)
    assert read_manifest(kb) == before


def test_a_mended_word_index_needs_no_generation(base: KnowledgeBase, kb: Path) -> None:
    sql("INSERT INTO lexical (rowid, text) VALUES (99, 'ghost')")(kb)
    before = read_manifest(kb)
    assert repair(kb).ok
    assert read_manifest(kb) == before


def test_broken_pages_are_beyond_repair(base: KnowledgeBase, kb: Path) -> None:
    base.close()
    path = kb / "surefoot.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 12] = b"\xaa" * 4096 * 9
    path.write_bytes(data)
    with pytest.raises(KnowledgeBaseError) as error:
        repair(kb)
    assert "\n" not in str(error.value)


def test_repair_waits_for_no_writer(base: KnowledgeBase, kb: Path) -> None:
    with writer_lock(kb), pytest.raises(KnowledgeBaseBusy):
        repair(kb)


@pytest.mark.parametrize("stop", ["publish", "erase", "sweep"])
def test_a_killed_repair_is_done_again(
    base: KnowledgeBase, kb: Path, monkeypatch: Any, stop: str
) -> None:
    sql("UPDATE texts SET text = text || '!' WHERE content = 1")(kb)
    monkeypatch.setattr(f"ingest.repair.{stop}", lambda *_, **__: (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        repair(kb)
    monkeypatch.undo()
    repair(kb)
    assert verify(kb, read_manifest(kb)).ok
    assert len(KnowledgeBase.open(kb).documents()) == 2
