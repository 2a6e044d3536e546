"""Every kind of damage that a base can suffer is found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from ingest.store import KnowledgeBase


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
