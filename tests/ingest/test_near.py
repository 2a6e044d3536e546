"""Families of near-duplicates: who joins, who inherits, what is left of what is gone."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import near
from ingest.dates import own_date
from ingest.schema import connect_scratch
from ingest.store import KnowledgeBase

WORDS = [f"word{number}" for number in range(400)]
LONG = " ".join(WORDS)


def changed(*places: int, text: str = LONG) -> str:
    words = text.split()
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


def members(connection: sqlite3.Connection) -> dict[int, int]:
    return dict(connection.execute("SELECT content, family FROM sketches").fetchall())


@pytest.mark.parametrize(
    ("text", "count"),
    [("one two three four", 2), ("one two", 0), ("", 0), ("北京大学", 2), ("A-b, C d!", 2)],
)
def test_shingles(text: str, count: int) -> None:
    assert len(list(near.shingles(text))) == count


def test_a_sketch_estimates_the_overlap() -> None:
    one, other = near.sketch(LONG), near.sketch(changed(*range(0, 400, 20)))
    assert one is not None
    assert other is not None
    assert one.shape == (near.PERMUTATIONS,)
    mine, theirs = set(near.shingles(LONG)), set(near.shingles(changed(*range(0, 400, 20))))
    truth = len(mine & theirs) / len(mine | theirs)
    assert abs(near.resemblance(one, other) - truth) < 0.15
    assert near.sketch("too short to say " * 4) is None


def test_sketches_are_the_same_in_every_process() -> None:
    """They lie on disk: a seed of the process's own would make strangers of twins."""
    program = "import sys; from ingest.near import sketch; print(sketch(sys.argv[1]).tolist())"
    found = subprocess.run(
        [sys.executable, "-c", program, LONG], capture_output=True, text=True, check=True
    )
    mine = near.sketch(LONG)
    assert mine is not None
    assert json.loads(found.stdout) == mine.tolist()


def test_families_are_stars() -> None:
    connection = connect_scratch()
    near.join(connection, 1, LONG)
    near.join(connection, 2, changed(50, 200))
    near.join(connection, 3, " ".join(f"strange{n}" for n in range(300)))
    near.join(connection, 4, "short")
    # Near to the second, and not to the first.
    drifted = changed(*range(0, 400, 8))
    near.join(connection, 5, changed(50, 200, text=drifted))
    assert members(connection) == {1: 1, 2: 1, 3: 3, 5: 5}


def test_the_next_one_inherits() -> None:
    connection = connect_scratch()
    for row in (1, 2, 3):
        near.join(connection, row, changed(row))
    near.leave(connection, [1])
    assert members(connection) == {2: 2, 3: 2}
    near.join(connection, 4, changed(300))
    assert members(connection)[4] == 2
    near.leave(connection, [2, 3, 4])
    for table in ("sketches", "bands"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=14))
def test_whoever_is_left_is_found(steps: list[tuple[int, bool]]) -> None:
    """After any joins and departures each family is named after a member, which has the bands."""
    connection = connect_scratch()
    alive: list[int] = []
    for row, (kind, goes) in enumerate(steps, start=1):
        near.join(connection, row, changed(row, text=" ".join(f"k{kind}w{n}" for n in range(200))))
        alive.append(row)
        if goes:
            near.leave(connection, [alive.pop(0)])
    found = members(connection)
    assert sorted(found) == sorted(alive)
    assert {found[family] for family in found.values()} <= set(found)
    shown = {row for (row,) in connection.execute("SELECT DISTINCT content FROM bands")}
    assert shown == set(found.values())


def test_the_base_lists_them(run: Any, tree: Any, kb: Path) -> None:
    root = tree({"a.txt": LONG, "b.txt": changed(7), "c.txt": "Something else. " * 30})
    run()
    base = KnowledgeBase.open(kb)
    found = {Path(r.document).name: r for r in base.documents()}
    assert found["a.txt"].near == (str(root / "b.txt"),)
    assert found["b.txt"].near == (str(root / "a.txt"),)
    assert (found["c.txt"].near, found["c.txt"].near_count) == ((), 0)
    rows = [hit.row for hit in base.dense(np.ones(32, np.float32), 50)]
    labels = base.families(rows)
    names = {Path(c.document).name for c in base.chunks(list(labels))}
    assert names == {"a.txt", "b.txt"}

    # A base keeps the generation before: what was changed is near to nobody any more.
    tree({"b.txt": "Now of other things. " * 40})
    run()
    assert all(record.near == () for record in base.documents())


def test_forgotten_sketches_are_purged(run: Any, tree: Any, kb: Path) -> None:
    for version in range(4):
        tree({"a.txt": " ".join(f"v{version}w{n}" for n in range(100))})
        run()
    rows = sqlite3.connect(kb / "surefoot.db")
    assert rows.execute("SELECT count(*) FROM sketches").fetchone() == (2,)
    assert rows.execute("SELECT count(DISTINCT content) FROM bands").fetchone() == (2,)
    rows.close()


@pytest.mark.parametrize(
    ("metadata", "date"),
    [
        ({"modified": "2024-05-01", "created": "2020-01-01"}, "2024-05-01T00:00:00+00:00"),
        ({"date": "2024-05-01T12:00:00+02:00"}, "2024-05-01T10:00:00+00:00"),
        ({"Date": "Wed, 01 May 2024 12:00:00 +0000"}, "2024-05-01T12:00:00+00:00"),
        ({"date": "2024"}, "2024-01-01T00:00:00+00:00"),
        ({"date": "2024-03"}, "2024-03-01T00:00:00+00:00"),
        ({"modified": "soon", "created": "2020-01-01Z"}, ""),
        ({"date": "0001-01-01T00:00:00+14:00"}, ""),
        ({"modified": "soon", "created": "2020-01-01T00:00:00Z"}, "2020-01-01T00:00:00+00:00"),
        ({}, ""),
    ],
)
def test_own_date(metadata: dict[str, str], date: str) -> None:
    assert own_date(metadata) == date


def test_a_base_from_before_families(run: Any, tree: Any, kb: Path) -> None:
    tree({"a.txt": LONG, "b.txt": changed(7)})
    run()
    rows = sqlite3.connect(kb / "surefoot.db")
    rows.executescript("DROP TABLE sketches; DROP TABLE bands")
    rows.close()
    base = KnowledgeBase.open(kb)
    assert base.families([1, 2]) == {}
    assert [record.near for record in base.documents()] == [(), ()]
    base.close()
    tree({"c.txt": changed(9), "d.txt": changed(11)})
    run()
    found = {Path(r.document).name: len(r.near) for r in KnowledgeBase.open(kb).documents()}
    assert found == {"a.txt": 0, "b.txt": 0, "c.txt": 1, "d.txt": 1}
