"""The follow-up benchmark on a few made conversations: what is counted, and its tables."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.bench import followups
from evals.stats.tables import plain, table
from ingest.testing import HashEmbedder
from rag.types import Message

HISTORY = (Message("user", "What is throat cancer?"),)
TURNS = [
    followups.Turn("a", "a", "Is it treatable?", HISTORY, rewrite="Is throat cancer treatable?"),
    followups.Turn(
        "b", "b", "Who sailed the old Skarra ferry home?", HISTORY, rewrite="Who sailed it?"
    ),
]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("way", "right", "precision", "recall"),
    [("alone", 0.5, None, 0.0), ("last before", 1.0, 1.0, 1.0), ("shipped", 1.0, 0.5, 1.0)],
)
def test_words_are_counted(way: str, right: float, precision: float | None, recall: float) -> None:
    scores = followups.rewriting(TURNS, followups.WAYS[way])
    columns = table([item.score for item in scores]).columns
    found = [plain(metric, columns) for metric in followups.REWRITING]
    assert found[0] == right
    assert found[2] == recall
    if precision is not None:
        assert found[1] == precision


def _data(folder: Path) -> Path:
    said = [{"role": "user", "content": "Who is Ada?"}, {"role": "assistant", "content": "A poet."}]
    _write(
        folder / "cases" / "rewrite-cast.jsonl.gz",
        [
            {"id": f"c{i}_2", "history": ["Who is Ada?"], "query": "Is she tall?",
             "rewrite": "Is Ada tall?", "cluster": f"c{i}"}
            for i in range(8)
        ],
    )  # fmt: skip
    _write(
        folder / "cases" / "qa-mtrag.jsonl.gz",
        [
            {"id": f"m{i}", "history": said, "query": "Is she tall?", "answers": ["yes"],
             "relevant": ["p1"], "cluster": f"m{i}"}
            for i in range(8)
        ],
    )  # fmt: skip
    _write(
        folder / "cases" / "retrieval-squad.jsonl.gz",
        [
            {"id": f"s{i}", "query": f"word{i} ferry", "relevant": [f"p{i}"], "cluster": f"s{i}"}
            for i in range(8)
        ],
    )
    pages = [{"id": f"p{i}", "title": f"T{i}", "text": f"word{i} Ada ferry."} for i in range(8)]
    for name in ("mtrag", "squad"):
        _write(folder / "corpora" / f"{name}.jsonl.gz", pages)
    return folder


def test_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followups, "open_bulk_embedder", HashEmbedder)
    monkeypatch.setattr(followups, "open_plain_embedder", HashEmbedder)
    lines = followups.run(_data(tmp_path), lambda line: None, whole=True)
    heads = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    ways = [f"| {way}" for way in followups.WAYS]
    assert [head for head in heads if head not in ways and head != "| ---"] == [
        "| rewrite-cast", "| qa-mtrag", "| switch (squad)",
    ]  # fmt: skip
    assert sum(line.startswith("| shipped") for line in lines) == 3
    assert "n=8" in lines[2]


def test_halves_keep_clusters_together() -> None:
    kept = [followups.held_out(f"cluster {number}") for number in range(200)]
    assert kept == [followups.held_out(f"cluster {number}") for number in range(200)]
    assert 70 < sum(kept) < 130
