"""Segments: one a job, merged by size, built anew, in portions of any size, all the same words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import segments as room
from ingest.schema import connect_writer, transaction
from ingest.segments import Segment, compact, extend, rebuild, segments
from ingest.store import KnowledgeBase
from ingest.wordcheck import wrong

Lists = dict[str, dict[int, int]]


@pytest.fixture
def base(run: Any, tree: Any, kb: Path) -> Iterator[sqlite3.Connection]:
    tree(
        {f"{n}.md": f"# Number {n}\n\n" + f"The oil of winch {n} and é{n}. " * 9 for n in range(9)}
    )
    run()
    with closing(connect_writer(kb)) as connection:
        yield connection


def held(connection: sqlite3.Connection) -> Lists:
    """What the segments say, by word and row."""
    found: Lists = {}
    for terms, postings in room.stored(connection, segments(connection)):
        ends = zip(postings.starts.tolist(), postings.counts.tolist(), strict=True)
        items = list(zip(postings.rows.tolist(), postings.weights.tolist(), strict=True))
        for term, (at, count) in zip(terms, ends, strict=True):
            found[term] = dict(items[at : at + count])
    return found


def test_weights_are_twice_those_of_the_columns(base: sqlite3.Connection) -> None:
    found = held(base)
    assert found["oil"] == dict.fromkeys(range(1, 10), 18)
    # In the title, once; in the headings, once; and the text has it in its first line.
    assert found["number"] == dict.fromkeys(range(1, 10), 4 + 3 + 2)
    assert set(found["e3"].values()) == {18}


@pytest.mark.parametrize("words", [1, 40, 10_000])
def test_portions_of_any_size_say_the_same(
    base: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    before = held(base)
    monkeypatch.setattr(room, "_WORDS", words)
    with transaction(base):
        rebuild(base)
    assert held(base) == before
    assert [(s.first, s.last, s.rows) for s in segments(base)] == [(1, 9, 9)]
    assert list(wrong(base, 1)) == []
    base.executescript("DELETE FROM postings; DELETE FROM segments;")
    extend(base)
    assert held(base) == before
    extend(base)
    assert len(segments(base)) == 1, "nothing was left to do"


def test_what_was_removed_goes_when_it_is_merged(base: sqlite3.Connection) -> None:
    base.execute("DELETE FROM chunks WHERE row IN (1, 5, 9)")
    assert held(base)["oil"].keys() == set(range(1, 10))
    with transaction(base):
        compact(base)
    assert held(base)["oil"].keys() == {2, 3, 4, 6, 7, 8}
    assert not {"e0", "e4", "e8"} & held(base).keys()
    assert [(s.first, s.last, s.rows) for s in segments(base)] == [(2, 9, 6)]
    assert list(wrong(base, 1)) == []
    base.execute("DELETE FROM chunks")
    with transaction(base):
        compact(base)
    assert segments(base) == []
    assert held(base) == {}


def test_many_jobs_leave_few_segments(run: Any, tree: Any, kb: Path) -> None:
    for number in range(40):
        tree({f"{number}.md": f"# Number {number}\n\nThe oil of winch {number}."})
        run()
    base = KnowledgeBase.open(kb)
    with closing(sqlite3.connect(kb / "surefoot.db")) as connection:
        found = segments(connection)
    assert len(found) <= 4
    assert sum(segment.rows for segment in found) == 40
    assert len(base.lexical(["oil"], 99)) == 40
    assert base.verify().problems == ()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=400))
def test_segments_stay_few_and_rows_are_seldom_written(jobs: list[int]) -> None:
    found: list[Segment] = []
    first, written = 1, 0
    for size in jobs:
        found.append(Segment(first, first, first + size - 1, size))
        first += size
        tail = room._tail(found)
        if len(tail) > 1:
            rows = sum(segment.rows for segment in tail)
            found[len(found) - len(tail) :] = [Segment(0, tail[0].first, tail[-1].last, rows)]
            written += rows
    total = sum(jobs)
    assert len(found) <= 1 + total.bit_length() / 2
    assert written <= 4 * total * total.bit_length()


def test_one_job_of_many_portions_is_merged_once() -> None:
    found = [Segment(at, at, at, 100) for at in range(30)]
    assert list(room._tail(found)) == found
    assert list(room._tail([Segment(0, 0, 0, 9000), *found[:5]])) == found[:5]
    assert list(room._tail([])) == []
