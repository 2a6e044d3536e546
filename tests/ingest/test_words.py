"""Search by words in large bases: scores as FTS5 has them, bounded work, what may be missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import bm25, lexical, pruning
from ingest.lexical import Words, phrases
from ingest.pruning import Frequencies, pruned
from ingest.schema import connect_reader
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Hit

VOCABULARY = ("oil", "winch", "winches", "door", "E-42", "42", "e", "Größe", "grosse", "the", "sea")
WORDS = st.sampled_from([*VOCABULARY, "nowhere", "!?", 'a"b', "42.E-42"])
SMALL_BOUNDS = st.tuples(st.integers(1, 60), st.integers(1, 120))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Words:
    """80 documents, each with another part of the words, some of them twice; 20 are gone again."""
    from ingest.build import ingest

    folder, kb = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("kb") / "kb"
    for number in range(80):
        said = [w for at, w in enumerate(VOCABULARY) if (number * 7 + at * at) % (at + 2) < 2]
        text = f"# {said[0]} {number}\n\n{' '.join(said * (1 + number % 3))} passage {number}.\n"
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    ingest([folder], kb, HashEmbedder())
    for number in range(0, 80, 4):
        (folder / f"{number}.md").unlink()
    ingest([folder], kb, HashEmbedder(), prune=True)
    base = KnowledgeBase.open(kb)
    return Words(connect_reader(kb), base.generation, base.info().chunks)


def scores(hits: Sequence[Hit]) -> dict[int, float]:
    return {hit.row: hit.score for hit in hits}


def same(found: Sequence[Hit], expected: Sequence[Hit]) -> None:
    assert scores(found).keys() == scores(expected).keys()
    assert scores(found) == pytest.approx(scores(expected), rel=1e-9)
    assert list(found) == sorted(found, key=lambda hit: (-hit.score, hit.row))


@given(st.lists(WORDS, min_size=1, max_size=9), st.lists(st.integers(1, 120), max_size=30))
def test_chunks_that_are_named_are_scored_as_by_fts5(
    words: Words, terms: list[str], rows: list[int]
) -> None:
    wanted = phrases(terms)
    counts = words.frequencies.counts(words.connection, words.generation, wanted)
    found = bm25.scored(words.connection, words.generation, counts, rows)
    same(found, words.exact(wanted, 200, rows=rows) if wanted else [])


@given(st.lists(WORDS, min_size=1, max_size=9), SMALL_BOUNDS, st.binary(min_size=120, max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_found_has_the_score_of_all_words(
    words: Words, terms: list[str], bounds: tuple[int, int], bits: bytes
) -> None:
    mask = bytes(byte & 1 for byte in bits)
    wanted = phrases(terms)
    counts = words.frequencies.counts(words.connection, words.generation, wanted)
    if not counts:
        return
    plan = pruned(counts, words.size, 1.0, *bounds)
    found = pruning.best(words.connection, words.generation, plan.queries, 200, mask)
    if plan.left:
        rows = [hit.row for hit in found]
        found = bm25.scored(words.connection, words.generation, counts, rows)
    exact = scores(words.exact(wanted, 200, mask))
    assert scores(found).keys() <= exact.keys(), "nothing hidden, nothing that is gone"
    same(found, [hit for hit in words.exact(wanted, 200, mask) if hit.row in scores(found)])
    rarest = scores(words.exact([counts[0][0]], 200, mask))
    assert rarest.keys() <= scores(found).keys() or len(plan.queries[0].match.split("AND")) == 2


@pytest.mark.parametrize("masked", [False, True])
def test_with_room_for_all_nothing_is_missed(
    words: Words, monkeypatch: pytest.MonkeyPatch, masked: bool
) -> None:
    monkeypatch.setattr(lexical, "SMALL", 0)
    mask = bytes(number % 2 for number in range(120)) if masked else None
    for pair in product(VOCABULARY, repeat=2):
        wanted = phrases(pair)
        same(words.best(wanted, 9, mask), words.exact(wanted, 9, mask))
        rows = list(range(1, 50))
        same(words.best(wanted, 9, mask, rows), words.exact(wanted, 9, mask, rows))
    assert words.best(phrases(["nowhere"]), 9) == []


def test_a_small_base_is_searched_as_ever(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> Any:
        raise AssertionError(given)

    monkeypatch.setattr(Frequencies, "counts", never)
    assert words.size <= lexical.SMALL
    assert words.best(phrases(["oil", "door"]), 5) == words.exact(phrases(["oil", "door"]), 5)


@pytest.mark.parametrize(
    ("counts", "expected", "left"),
    [
        ([("a", 5), ("b", 9)], [("a OR b", 1)], 0),
        ([("a", 5), ("b", 90)], [("(a) AND (a OR b OR b)", 2)], 0),
        ([("a", 5), ("b", 18), ("c", 60)],
         [("(a) AND (a OR b OR c OR b OR c)", 2), ("(b) AND (c)", 1)], 0),
        ([("a", 5), ("b", 40), ("c", 60)], [("(a) AND (a OR b OR c OR b OR c)", 2)], 0),
        ([("a", 30), ("b", 60)], [("(a) AND (b)", 1)], 0),
        ([("a", 5), ("b", 40), ("c", 900)], [("(a) AND (a OR b OR b)", 2)], 1),
        ([("a", 900)], [("a", 1)], 0),
        ([("a", 700), ("b", 800), ("c", 900)], [("(a) AND (a OR b OR b)", 2)], 1),
    ],
)  # fmt: skip
def test_rare_words_first_then_pairs(
    counts: list[tuple[str, int]], expected: list[tuple[str, int]], left: int
) -> None:
    found = pruned(counts, 100, scored=20, counted=100)
    assert [(query.match, query.times) for query in found.queries] == expected
    assert found.left == left


def test_few_that_are_visible_leave_room_for_commoner_words() -> None:
    counts = [("a", 15), ("b", 15), ("c", 60)]
    assert pruned(counts, 100, 0.1, scored=20, counted=100).queries[0].match == "a OR b OR c"


def test_counts_are_of_one_generation(words: Words) -> None:
    known, wanted = Frequencies(), phrases(["the", "oil", "nowhere"])
    first = known.counts(words.connection, 1, wanted)
    assert [count for _, count in first] == sorted(count for _, count in first)
    assert len(first) == 2
    assert known.counts(None, 1, wanted) == first, "not counted again"  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        known.counts(None, 2, wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("block", "numbers"),
    [
        (b"", []),
        (b"\x00\x7f", [0, 127]),
        (b"\x81\x00\x05", [128, 5]),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", [2**64 - 1, 1]),
    ],
)
def test_numbers_as_sqlite_writes_them(block: bytes, numbers: list[int]) -> None:
    assert list(bm25._varints(block)) == numbers


def test_a_word_in_most_rows_weighs_almost_nothing() -> None:
    totals = bm25.Totals(10, 5.0)
    assert totals.idf(2) == pytest.approx(math.log(8.5 / 2.5))
    assert totals.idf(9) == totals.idf(11) == 1e-6


def test_an_open_base_searches_a_large_one(
    run: Any, tree: Any, kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree({"a.md": "Oil for the winch.", "b.md": "The door is shut.", "c.md": "The sea."})
    run(root)
    base = KnowledgeBase.open(kb)
    before = [base.lexical(["the", "winch"], 9), base.lexical(["the"], 9, rows=[1, 3])]
    monkeypatch.setattr(lexical, "SMALL", 0)
    same(base.lexical(["the", "winch"], 9), before[0])
    same(base.lexical(["the"], 9, rows=[1, 3]), before[1])
    assert base.lexical(["nowhere"], 9) == base.lexical(["?!"], 9) == []
