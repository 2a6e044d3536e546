"""Search by words: scores as a plain BM25 and FTS5 have them, of any generation, for any asker."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import lexical, segments
from ingest.bm25 import WEIGHTS
from ingest.build import ingest
from ingest.commit import rollback
from ingest.forget import forget
from ingest.lexical import exact, phrases
from ingest.manifest import read_manifest
from ingest.schema import TOKENIZER, connect_reader, connect_writer, live, transaction
from ingest.selection import Selection
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Hit

VOCABULARY = ("oil", "winch", "winches", "door", "E-42", "42", "e", "Größe", "grosse", "the", "sea")
TERMS = st.lists(
    st.sampled_from([*VOCABULARY, "nowhere", "!?", 'a"b', "42.E-42", "the sea", "passage", "٣"]),
    min_size=1,
    max_size=9,
)
FRESH, SHRUNK, BACK = "fresh", "some are gone", "rolled back"
TABLES = f"""
  CREATE VIRTUAL TABLE t USING fts5 (title, headings, text, tokenize='{TOKENIZER}');
  CREATE VIRTUAL TABLE v USING fts5vocab (t, instance);
"""


def build(folder: Path, state: str) -> Path:
    """80 documents, each with another part of the words, some of them twice, in three groups."""
    root, kb = folder / "docs", folder / "kb"
    for number in range(80):
        said = [w for at, w in enumerate(VOCABULARY) if (number * 7 + at * at) % (at + 2) < 2]
        text = f"# {said[0]} {number}\n\n{' '.join(said * (1 + number % 3))} passage {number}.\n"
        path = root / f"g{number % 3}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for group in range(3):
        names = frozenset({f"g{group}"}) if group else frozenset[str]()
        ingest([root / f"g{group}"], kb, HashEmbedder(), groups=names)
    if state != FRESH:
        for number in range(1, 80, 6):
            (root / "g1" / f"{number}.md").unlink(missing_ok=True)
        (root / "g1" / "new.md").write_text("# Oil\n\nThe sea, the sea: E-42.", encoding="utf-8")
        ingest([root / "g1"], kb, HashEmbedder(), groups=frozenset({"g1"}), prune=True)
    if state == BACK:
        rollback(kb)
    return kb


class Plain:
    """BM25 over the live chunks of a base, a chunk and a word at a time."""

    def __init__(self, kb: Path, generation: int) -> None:
        query = "SELECT * FROM lexical_source WHERE row IN (SELECT row FROM chunks WHERE {})"
        with closing(connect_reader(kb)) as base:
            texts = base.execute(query.format(live("chunks")), {"g": generation}).fetchall()
        self.said = {row: [cut(column) for column in columns] for row, *columns in texts}
        self.lengths = {row: sum(map(len, each)) for row, each in self.said.items()}

    def scores(self, terms: Sequence[str]) -> dict[int, float]:
        found = dict.fromkeys(self.said, 0.0)
        average = sum(self.lengths.values()) / len(self.lengths)
        for words in filter(None, map(cut, terms)):
            often = {row: frequency(columns, words) for row, columns in self.said.items()}
            count = sum(value > 0 for value in often.values())
            idf = math.log((len(often) - count + 0.5) / (count + 0.5))
            for row, value in often.items():
                norm = 1.2 * (0.25 + 0.75 * self.lengths[row] / average)
                found[row] += (idf if idf > 0 else 1e-6) * value * 2.2 / (value + norm)
        return {row: score for row, score in found.items() if score}


def cut(text: str) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(TABLES)
        scratch.execute("INSERT INTO t (text) VALUES (?)", (text,))
        return [word for (word,) in scratch.execute("SELECT term FROM v ORDER BY offset")]


def frequency(columns: Sequence[list[str]], words: list[str]) -> float:
    places = [range(len(column) - len(words) + 1) for column in columns]
    counts = [
        sum(column[at : at + len(words)] == words for at in starts)
        for column, starts in zip(columns, places, strict=True)
    ]
    return sum(weight * count for weight, count in zip(WEIGHTS, counts, strict=True))


def same(found: Sequence[Hit], expected: Mapping[int, float], k: int = 200) -> None:
    """The k best of these scores, but for rows that are equal within rounding."""
    assert list(found) == sorted(found, key=lambda hit: (-hit.score, hit.row))
    assert {hit.row: hit.score for hit in found} == pytest.approx(
        {hit.row: expected.get(hit.row) for hit in found}, rel=1e-6
    )
    best = sorted(expected.values(), reverse=True)[:k]
    assert [hit.score for hit in found] == pytest.approx(best, rel=1e-6)


@pytest.fixture(scope="module", params=[FRESH, SHRUNK, BACK])
def base(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[KnowledgeBase, Plain]:
    opened = KnowledgeBase.open(build(tmp_path_factory.mktemp("words"), request.param))
    return opened, Plain(opened.path, opened.generation)


@given(TERMS, st.integers(1, 100), st.sets(st.sampled_from(["g1", "g2"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_scores_are_those_of_a_plain_bm25(
    base: tuple[KnowledgeBase, Plain], terms: list[str], k: int, asker: set[str]
) -> None:
    opened, plain = base
    rows = [hit.row for hit in opened.dense(HashEmbedder().embed(["a"])[0], 200, frozenset(asker))]
    visible = {row: score for row, score in plain.scores(terms).items() if row in rows}
    same(opened.lexical(terms, k, frozenset(asker)), visible, k)


@given(TERMS, st.lists(st.integers(1, 120), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_chunks_that_are_named(
    base: tuple[KnowledgeBase, Plain], terms: list[str], rows: list[int]
) -> None:
    opened, plain = base
    expected = {row: score for row, score in plain.scores(terms).items() if row in rows}
    same(opened.lexical(terms, 200, frozenset({"g1", "g2"}), rows), expected)


@given(TERMS, st.integers(1, 100), st.binary(max_size=90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_fresh_base_is_scored_as_by_fts5(
    base: tuple[KnowledgeBase, Plain], terms: list[str], k: int, bits: bytes
) -> None:
    opened, _ = base
    wanted, mask = phrases(terms), bytes(byte & 1 for byte in bits)
    if read_manifest(opened.path).newest != 3 or not wanted:
        return
    with closing(connect_reader(opened.path)) as connection:
        expected = exact(connection, 3, wanted, 200, mask)
        found = opened._current().words.best(connection, wanted, k, mask)
        rows = opened._current().words.best(connection, wanted, k, mask, range(1, 90))
    same(found, {hit.row: hit.score for hit in expected}, k)
    assert {hit.row for hit in rows} == {hit.row for hit in found}
    assert [hit.score for hit in rows] == pytest.approx([hit.score for hit in found], rel=1e-9)


def test_one_copy_of_a_word_is_kept_for_the_next_question(
    base: tuple[KnowledgeBase, Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = base
    before = opened.lexical(["oil", "E-42", "nowhere"], 9)
    assert opened.lexical(["oil", "E-42", "nowhere"], 9) == before
    monkeypatch.setattr(lexical, "_REMEMBERED", 0)
    assert opened.lexical(["E-42", "oil", "sea"], 9)
    assert not opened._current().words._known
    assert opened.lexical(["oil", "E-42", "nowhere"], 9) == before


def test_scores_depend_on_the_generation_alone(
    tree: Any, run: Any, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree({f"{n}.md": f"# Number {n}\n\nThe oil of winch {n}, and the sea." for n in range(9)})
    run()
    reader = KnowledgeBase.open(kb)
    before = reader.lexical(["oil", "winch 3", "sea"], 20)
    monkeypatch.setattr("ingest.commit.write_manifest", lambda *_: (_ for _ in ()).throw(KeyError))
    tree({f"new-{n}.md": "Oil and sea, sea, sea." * n for n in range(1, 9)} | {"3.md": "Other."})
    with pytest.raises(KeyError):
        run()
    assert KnowledgeBase.open(kb).lexical(["oil", "winch 3", "sea"], 20) == before
    monkeypatch.undo()
    run()
    assert [hit.row for hit in reader.lexical(["other"], 5)] != []
    rollback(kb)
    assert reader.lexical(["oil", "winch 3", "sea"], 20) == before


def test_segments_that_are_merged_while_they_are_read(
    tree: Any, run: Any, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        run(tree({f"{name}.md": f"The oil of winch {name}."}) / f"{name}.md")
    before = KnowledgeBase.open(kb).lexical(["oil", "winch a"], 9)

    def merged(connection: sqlite3.Connection) -> list[segments.Segment]:
        found = segments.segments(connection)
        with closing(connect_writer(kb)) as writer, transaction(writer):
            segments.compact(writer)
            assert segments.segments(writer) != found
        return found

    monkeypatch.setattr(lexical, "segments", merged)
    assert KnowledgeBase.open(kb).lexical(["oil", "winch a"], 9) == before
    monkeypatch.setattr("ingest.wordcheck.segments", merged)
    assert KnowledgeBase.open(kb).verify().problems == ()


def test_a_base_without_postings_is_searched_until_it_has_them(
    tree: Any, run: Any, kb: Path
) -> None:
    root = tree({"a.md": "Oil for the winch.", "b.md": "The door is shut.", "c.md": "The sea."})
    run(root)
    before = KnowledgeBase.open(kb).lexical(["the", "winch"], 9)
    with closing(sqlite3.connect(kb / "surefoot.db")) as rows:
        rows.executescript("DELETE FROM postings; DELETE FROM segments;")
    old = KnowledgeBase.open(kb)
    asked: list[int] = []

    def counted(*given: Any) -> list[Hit]:
        asked.append(1)
        return exact(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "exact", counted)
        found = old.lexical(["the", "winch"], 9)
        same(found, {hit.row: hit.score for hit in before})
        assert old.lexical(["the", "winch"], 9, rows=[1, 3]) == [h for h in found if h.row != 2]
        assert old.verify().problems == ()
        run(root)
        assert old.generation == 1, "nothing changed"
        assert old.lexical(["the", "winch"], 9) == before
    assert len(asked) == 2


def test_a_table_of_an_old_base_is_missing(tree: Any, run: Any, kb: Path) -> None:
    run(tree({"a.md": "Oil for the winch."}))
    with closing(sqlite3.connect(kb / "surefoot.db")) as rows:
        rows.executescript("DROP TABLE postings; DROP TABLE segments;")
    assert len(KnowledgeBase.open(kb).lexical(["oil"], 9)) == 1
    assert KnowledgeBase.open(kb).verify().problems == ()


def test_forgetting_leaves_one_segment_without_the_words(tree: Any, run: Any, kb: Path) -> None:
    root = tree({"a.md": "Oil for the winch.", "b.md": "The zyxwvu is shut.", "c.md": "The sea."})
    for name in ("a.md", "b.md", "c.md"):
        run(root / name)
    forget(kb, Selection((str(root / "b.md"),)))
    with closing(sqlite3.connect(kb / "surefoot.db")) as rows:
        assert [(s.first, s.last, s.rows) for s in segments.segments(rows)] == [(1, 3, 2)]
        terms = {term for (term,) in rows.execute("SELECT term FROM postings")}
        assert rows.execute("SELECT hex(lengths) FROM segments").fetchone()[0][8:16] == "0" * 8
    assert {"oil", "sea"} <= terms
    assert not {"zyxwvu", "shut", "b"} & terms
