"""Reviews, the cases made of them, and runs leave with the document that they rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.forgetting import PromotedCases, Reviews, Runs
from evals.review.case import append_case, case_of
from evals.review.queue import ReviewQueue
from evals.review.types import Asked
from ingest.quotes import Trail
from rag.types import Answer, ModelRef, Passage, TokenUse

TEXT = " ".join(f"word{n}" for n in range(40))
MINE, OTHER = "/docs/mine.md", "/docs/other.md"


def asked(document: str) -> Asked:
    passage = Passage(1, 0.9, 0.7, 3.0, document, document, "Leave", (), 3, 0, 5, "Five.")
    answer = Answer(
        status="answered",
        text="Five days.",
        sentences=(),
        passages=(passage,),
        findings=(),
        tokens=TokenUse(10, 3, 100),
        timings_ms={},
        model=ModelRef("tiny", "ab" * 32),
        trace="",
    )
    return Asked("How many days?", answer)


@pytest.fixture
def queue(tmp_path: Path) -> ReviewQueue:
    queue = ReviewQueue(tmp_path / "review.db")
    for document in (MINE, OTHER, OTHER):
        queue.report(asked(document), "flag")
    queue.correct(queue.get(3), "Kim", ["Six days."], [MINE])
    return queue


def promote(queue: ReviewQueue, number: int, to: Path) -> dict[str, Any]:
    item = queue.get(number)
    if item.state == "open":
        item = queue.accept(item, "Kim")
    case = case_of(item, lambda texts: texts)
    queue.promote(item, "Kim", case, to)
    return case


def test_reviews_that_rest_on_it_or_name_it(queue: ReviewQueue) -> None:
    place, trail = Reviews(queue), Trail([MINE], [])
    assert place.clear(trail, dry_run=True) == 2
    assert len(queue.items()) == 3
    assert place.clear(trail, dry_run=False) == 2
    assert [item.id for item in queue.items()] == [2]
    assert b"Six days" not in b"".join(p.read_bytes() for p in queue.path.parent.glob("review.db*"))


def test_promoted_cases_are_blanked_and_the_file_goes_on(
    queue: ReviewQueue, tmp_path: Path
) -> None:
    cases = tmp_path / "cases.jsonl"
    append_case(cases, {"id": "first", "query": f"about review-{queue.get(1).uid}"})
    for number in (1, 2, 3):
        promote(queue, number, cases)
    size = cases.stat().st_size
    place, trail = PromotedCases(queue), Trail([MINE], [])
    assert (place.clear(trail, True), cases.stat().st_size) == (2, size)
    assert place.clear(trail, False) == 2
    assert place.clear(trail, False) == 0
    assert cases.stat().st_size == size
    left = [json.loads(line)["id"] for line in cases.read_text().splitlines() if line.strip()]
    assert left == ["first", f"review-{queue.get(2).uid}"]
    assert append_case(cases, {"id": "last"})


def test_a_case_file_that_is_gone_is_no_obstacle(queue: ReviewQueue, tmp_path: Path) -> None:
    promote(queue, 1, tmp_path / "cases.jsonl")
    (tmp_path / "cases.jsonl").unlink()
    assert PromotedCases(queue).clear(Trail([MINE], []), False) == 0


def test_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    queue = ReviewQueue(tmp_path / "review.db")
    for place in (PromotedCases(queue), Reviews(queue), Runs(tmp_path / "runs")):
        assert place.clear(Trail([MINE], [TEXT]), False) == 0
    assert list(tmp_path.iterdir()) == []


ROWS = [
    ({"data": {"answer": " ".join(TEXT.split()[5:20])}}, True),
    ({"data": {"documents": [MINE]}}, True),
    ({"data": {"documents": ["17"]}}, False),
    ({"data": {"answer": "word1 word2"}}, False),
]


@pytest.mark.parametrize(("row", "gone"), ROWS)
def test_runs_that_quote_it(tmp_path: Path, row: Any, gone: bool) -> None:
    run, other = tmp_path / "qa-1", tmp_path / "qa-2"
    for folder in (run, other):
        folder.mkdir()
        (folder / "rows.jsonl").write_text('{"data": {"answer": "Nothing."}}\n')
    with (run / "rows.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    place, trail = Runs(tmp_path), Trail([MINE, "17"], [TEXT])
    assert place.clear(trail, dry_run=True) == gone
    assert run.exists()
    assert place.clear(trail, dry_run=False) == gone
    assert (run.exists(), other.exists()) == (not gone, True)


def test_runs_of_every_folder_are_cleared(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "missing")]
    for folder in folders[:2]:
        (folder / "qa-1").mkdir(parents=True)
        (folder / "qa-1" / "rows.jsonl").write_text(json.dumps({"text": TEXT}) + "\n")
    assert Runs(*folders).clear(Trail([MINE, "17"], [TEXT]), dry_run=False) == 2
    assert not any((folder / "qa-1").exists() for folder in folders)
