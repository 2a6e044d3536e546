"""Search over a committed generation: scores, order, groups, generations, damaged bases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IncompatibleKnowledgeBase, KnowledgeBaseError, KnowledgeBaseMissing
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder

EMBEDDER = HashEmbedder()


def vector(text: str) -> Any:
    return EMBEDDER.embed([text])[0]


def texts(base: KnowledgeBase, hits: Any) -> list[str]:
    return [chunk.text for chunk in base.chunks([hit.row for hit in hits])]


@pytest.fixture
def base(run: Any, tree: Any, kb: Path) -> KnowledgeBase:
    root = tree(
        {
            "open/winch.md": "# Winch\n\nThe mooring winch shows error E-42 when oil is low.",
            "open/door.md": "# Door\n\nThe bow door closes. Code E 99, then 42 seconds.",
            "hr/pay.md": "# Pay\n\nSalaries of the winch crew are secret.",
            "it/keys.md": "# Keys\n\nThe winch password is kept here.",
        }
    )
    run(root / "open")
    run(root / "hr", groups=frozenset({"hr"}))
    run(root / "it", groups=frozenset({"it", "admin"}))
    return KnowledgeBase.open(kb, EMBEDDER)


def test_dense_scores_are_cosines_in_order(base: KnowledgeBase) -> None:
    query = vector("mooring winch oil")
    hits = base.dense(query, 10, frozenset({"hr", "it"}))
    assert len(hits) == 4
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    exact = base.similarity(query, [hit.row for hit in hits])
    assert np.allclose(exact, [hit.score for hit in hits], atol=1e-6)
    assert "mooring" in texts(base, hits)[0]


def test_lexical_terms_are_phrases(base: KnowledgeBase) -> None:
    assert ["E-42" in text for text in texts(base, base.lexical(["E-42"], 10))] == [True]
    both = base.lexical(["E-42", "door"], 10)
    assert len(both) == 2
    assert all(hit.score > 0 for hit in both)
    assert len(base.lexical(["winches"], 10)) == 1, "words are stemmed"


def test_lexical_restricted_to_rows(base: KnowledgeBase) -> None:
    both = base.lexical(["E-42", "door"], 10)
    only = base.lexical(["E-42", "door"], 10, rows=[both[1].row])
    assert only == [both[1]]
    assert base.lexical(["door"], 10, rows=[]) == []


@pytest.mark.parametrize(
    "terms", [[], [""], ["-"], ['"'], ["\x00"], ["*"], ["NEAR("], ['a" OR "b'], ["title:x"], ["^a"]]
)
def test_no_term_is_an_operator(base: KnowledgeBase, terms: list[str]) -> None:
    assert isinstance(base.lexical(terms, 5), list)


@settings(max_examples=30, deadline=None)
@given(terms=st.lists(st.text(max_size=10), max_size=4))
def test_any_terms_are_safe(tmp_path_factory: Any, terms: list[str]) -> None:
    base = shared(tmp_path_factory)
    for hit in base.lexical(terms, 3):
        assert hit.score > 0 or hit.score <= 0


_SHARED: list[KnowledgeBase] = []


def shared(factory: Any) -> KnowledgeBase:
    if not _SHARED:
        from ingest.build import ingest

        folder = factory.mktemp("shared")
        (folder / "a.txt").write_text("A text about OR and NOT and NEAR. E-42.")
        ingest([folder / "a.txt"], folder / "kb", EMBEDDER)
        _SHARED.append(KnowledgeBase.open(folder / "kb"))
    return _SHARED[0]


@pytest.mark.parametrize(
    ("groups", "seen"),
    [
        (set(), {"winch.md", "door.md"}),
        ({"hr"}, {"winch.md", "door.md", "pay.md"}),
        ({"admin"}, {"winch.md", "door.md", "keys.md"}),
        ({"hr", "it"}, {"winch.md", "door.md", "pay.md", "keys.md"}),
        ({"nobody"}, {"winch.md", "door.md"}),
        ({""}, {"winch.md", "door.md"}),
    ],
)
def test_groups_are_part_of_both_searches(
    base: KnowledgeBase, groups: set[str], seen: set[str]
) -> None:
    asker = frozenset(groups)
    dense = base.dense(vector("winch"), 10, asker)
    assert {Path(c.path).name for c in base.chunks([hit.row for hit in dense])} == seen
    lexical = base.lexical(["winch", "door"], 10, asker)
    assert {Path(c.path).name for c in base.chunks([hit.row for hit in lexical])} == seen
    # With room for one hit only, hidden documents must not have taken it.
    for k in (1, 2):
        assert len(base.dense(vector("salaries password winch crew"), k, asker)) == k


def test_chunks_come_in_the_given_order(base: KnowledgeBase) -> None:
    rows = [hit.row for hit in base.dense(vector("door"), 2)]
    assert [chunk.row for chunk in base.chunks(rows[::-1])] == rows[::-1]
    chunk = base.chunks(rows)[0]
    text = base.document_text(chunk.document)
    assert text[chunk.start : chunk.end] == chunk.text
    assert chunk.title == chunk.headings[0] == "Door"
    assert base.chunks([]) == []


def test_rows_that_do_not_exist(base: KnowledgeBase) -> None:
    for ask in (base.chunks, lambda rows: base.similarity(vector("a"), rows)):
        with pytest.raises(KnowledgeBaseError, match="holds no chunk 999"):
            ask([999])
    with pytest.raises(KnowledgeBaseError, match="holds no chunk 999"):
        base.neighbours(999)
    with pytest.raises(KnowledgeBaseError, match="holds no document"):
        base.document_text("nowhere")


def test_neighbours(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.md": "\n\n".join(f"# Part {n}\n\n" + f"Word{n} text. " * 60 for n in range(3))})
    run()
    base = KnowledgeBase.open(kb)
    first, second, third = sorted(hit.row for hit in base.dense(vector("text"), 3))
    assert base.neighbours(first) == (None, second)
    assert base.neighbours(second) == (first, third)
    assert base.neighbours(third) == (second, None)


def test_info_and_documents(base: KnowledgeBase, kb: Path) -> None:
    info = base.info()
    assert (info.documents, info.chunks, info.generation, info.previous) == (4, 4, 3, 2)
    assert {item.group: item.documents for item in info.groups} == {
        "": 2, "hr": 1, "it": 1, "admin": 1
    }  # fmt: skip
    assert info.bytes == sum(file.stat().st_size for file in kb.iterdir())
    assert info.characters == sum(record.characters for record in base.documents())
    assert (info.embedder, info.dimension) == ("hash", 32)
    record = base.documents()[0]
    assert record.chunks == 1
    assert record.bytes == Path(record.path).stat().st_size


def test_rollback(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.txt": "First version."})
    run()
    base = KnowledgeBase.open(kb)
    with pytest.raises(KnowledgeBaseError, match="no earlier generation"):
        base.rollback()
    tree({"a.txt": "Second version.", "b.txt": "New file."})
    run()
    assert base.document_text(str(root / "a.txt")) == "Second version."
    base.rollback()
    assert base.generation == 1
    assert base.document_text(str(root / "a.txt")) == "First version."
    assert len(base.dense(vector("version"), 10)) == len(base.lexical(["version"], 10)) == 1
    assert base.verify().problems == ()
    assert base.info().documents == 1
    with pytest.raises(KnowledgeBaseError, match="no earlier generation"):
        base.rollback()

    tree({"b.txt": None, "c.txt": "Third file."})
    report = run()
    assert (report.added, report.updated) == (1, 1)
    assert base.generation == 3, "a number never means two things"
    assert base.verify().problems == ()
    assert [Path(record.path).name for record in base.documents()] == ["a.txt", "c.txt"]


def damage_manifest(kb: Path, **values: Any) -> None:
    path = kb / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda kb: (kb / "manifest.json").unlink(), KnowledgeBaseMissing, "not found"),
        (lambda kb: (kb / "manifest.json").write_text("{"), KnowledgeBaseError, "damaged"),
        (lambda kb: (kb / "manifest.json").write_text("[]"), KnowledgeBaseError, "damaged"),
        (lambda kb: damage_manifest(kb, format=99), IncompatibleKnowledgeBase, "format version"),
        (lambda kb: damage_manifest(kb, extra=1), KnowledgeBaseError, "wrong fields"),
        (lambda kb: damage_manifest(kb, chunks="x"), KnowledgeBaseError, "wrong values"),
        (lambda kb: damage_manifest(kb, chunks=7), KnowledgeBaseError, "holds 4 vectors"),
        (lambda kb: (kb / "vectors-3.faiss").unlink(), KnowledgeBaseError, "is missing"),
        (lambda kb: (kb / "vectors-3.faiss").write_bytes(b"junk"), KnowledgeBaseError, "damaged"),
        (lambda kb: (kb / "surefoot.db").unlink(), KnowledgeBaseError, "is missing"),
        (lambda kb: (kb / "surefoot.db").write_bytes(b"junk" * 999), KnowledgeBaseError, "not a"),
        (lambda kb: (kb / "surefoot.db").write_bytes(b""), KnowledgeBaseError, "no such table"),
    ],
)
def test_damaged_bases_say_so_in_one_line(
    base: KnowledgeBase, kb: Path, damage: Any, error: type[Exception], words: str
) -> None:
    base.close()
    damage(kb)
    with pytest.raises(error, match=words) as caught:
        KnowledgeBase.open(kb)
    assert "\n" not in str(caught.value)
    assert str(kb) in str(caught.value)


def test_a_vector_of_another_size_is_refused(base: KnowledgeBase) -> None:
    with pytest.raises(IncompatibleKnowledgeBase, match="vector size"):
        base.dense(np.ones(7, dtype=np.float32), 3)


def test_no_hits_wanted(base: KnowledgeBase) -> None:
    assert base.dense(vector("a"), 0) == base.lexical(["a"], 0) == []
