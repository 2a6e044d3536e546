"""The queue: what may follow what, two reviewers at once, sampling, and the way to a case file."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.errors import CaseError
from evals.review.case import append_case, case_of
from evals.review.queue import Audit, ReviewQueue
from evals.review.types import (
    FOLLOWS,
    STATES,
    Asked,
    Item,
    ReviewConflict,
    ReviewError,
    State,
    clean_labels,
)
from rag.types import (
    Answer,
    Citation,
    Dropped,
    Finding,
    Message,
    ModelRef,
    Passage,
    Sentence,
    TokenUse,
)

ME = "ada"
HELD = Passage(1, 0.9, 0.7, 3.0, "doc-1", "/kb/leave.md", "Leave", ("Leave", "Carrying over"), 3,
               40, 45, "Five.", frozenset({"hr", "it"}))  # fmt: skip
ANSWER = Answer(
    status="answered",
    text="Five days.",
    sentences=(Sentence("Five days.", 0.9, (Citation("doc-1", HELD.path, 3, 40, 45, "Five."),)),),
    passages=(HELD,),
    findings=(Finding("passage", "EMAIL_ADDRESS", 0, 5, 0.9, "pii", "redact"),),
    tokens=TokenUse(10, 3, 100, (Dropped("a", 1, "b"),)),
    timings_ms={"total": 12.5},
    model=ModelRef("tiny", "ab" * 32),
    trace="",
    signals={"support": 0.5},
)
ABSTAINED = replace(ANSWER, status="abstained", text="I don't know.", sentences=())
ASKED = Asked("How many days?", ANSWER, (Message("user", "hello"),))


def same(texts: Sequence[str]) -> Sequence[str]:
    return texts


@pytest.fixture
def queue(tmp_path: Path) -> ReviewQueue:
    return ReviewQueue(tmp_path / "review.db")


def put(queue: ReviewQueue, answer: Answer = ANSWER) -> Item:
    return queue.get(queue.report(replace(ASKED, answer=answer), "flag", "odd"))


def move(queue: ReviewQueue, item: Item, state: State, folder: Path) -> Item:
    if state == "accepted":
        return queue.accept(item, ME)
    if state == "corrected":
        return queue.correct(item, ME, ["Six."], ["doc-2"])
    if state == "dismissed":
        return queue.dismiss(item, ME, "a test")
    if state == "promoted":
        case = {"id": f"review-{item.uid}", "query": "q", "answers": []}
        return queue.promote(item, ME, case, folder / "cases.jsonl")
    return queue.reopen(item, ME)


WAYS: dict[State, tuple[State, ...]] = {
    "open": (),
    "accepted": ("accepted",),
    "corrected": ("corrected",),
    "dismissed": ("dismissed",),
    "promoted": ("accepted", "promoted"),
}


@pytest.mark.parametrize("start", STATES)
@pytest.mark.parametrize("end", STATES)
def test_only_what_makes_sense_follows(
    queue: ReviewQueue, tmp_path: Path, start: State, end: State
) -> None:
    item = put(queue)
    for step in WAYS[start]:
        item = move(queue, item, step, tmp_path)
    if end in FOLLOWS[start]:
        moved = move(queue, item, end, tmp_path)
        assert (moved.state, moved.version) == (end, item.version + 1)
    else:
        with pytest.raises(ReviewError):
            move(queue, item, end, tmp_path)
        assert queue.get(item.id) == item


def test_nothing_is_lost_on_the_way_to_disk_and_back(queue: ReviewQueue) -> None:
    item = put(queue)
    assert item.answer == ANSWER
    assert (item.question, item.history) == (ASKED.question, ASKED.history)
    assert item.needs == (("doc-1", frozenset({"hr", "it"})),)
    assert (item.cited, item.documents) == (("doc-1",), {"doc-1": "Leave"})


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_any_text_survives(tmp_path: Path, said: str, reason: str) -> None:
    queue = ReviewQueue(tmp_path / "review.db")
    asked = Asked(said, replace(ANSWER, text=said), (Message("assistant", said),))
    item = queue.get(queue.report(asked, "flag", reason))
    assert (item.question, item.answer.text, item.history[0].content) == (said, said, said)
    assert item.reason == reason.encode("utf-8", "replace").decode().strip()


def test_only_its_owner_may_read_it(queue: ReviewQueue) -> None:
    put(queue)
    assert stat.S_IMODE(queue.path.stat().st_mode) == 0o600
    with sqlite3.connect(queue.path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_looking_makes_no_file(queue: ReviewQueue) -> None:
    assert queue.items() == ()
    assert queue.events(1) == ()
    assert (queue.waiting(), queue.stats().total) == (0, 0)
    with pytest.raises(ReviewError, match="no item 1"):
        queue.get(1)
    assert not queue.path.exists()


def test_of_two_reviewers_the_second_is_told(queue: ReviewQueue) -> None:
    seen = put(queue)
    queue.dismiss(seen, "ada", "noise")
    with pytest.raises(ReviewConflict, match="dismissed now by ada") as caught:
        queue.accept(seen, "bob")
    assert (caught.value.item, caught.value.state, caught.value.by) == (1, "dismissed", "ada")
    assert queue.get(1).reviewer == "ada"
    assert [event.who for event in queue.events(1)] == ["reader", "ada"]


def test_many_at_once_one_decides(queue: ReviewQueue) -> None:
    seen = put(queue)

    def attempt(name: int) -> bool:
        try:
            queue.correct(seen, f"reviewer {name}", [f"answer {name}"], [])
        except ReviewConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    item = queue.get(seen.id)
    assert item.answers == (item.reviewer.replace("reviewer", "answer"),)


def test_processes_make_one_queue(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from evals.review.queue import ReviewQueue\n"
        "for _ in range(20): ReviewQueue(Path(sys.argv[1])).thumbs_up()\n"
    )
    path, root = tmp_path / "review.db", Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(path), str(root)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert ReviewQueue(path).stats().thumbs_up == 60
    left = [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("review.db")]
    assert left == []


def test_one_answer_is_one_item(queue: ReviewQueue) -> None:
    traced = replace(ASKED, answer=replace(ANSWER, trace="/kb/traces/1.json"))
    numbers = [
        queue.report(traced, "audit"),
        queue.report(traced, "flag", "wrong"),
        queue.report(traced, "thumbs-down", "odd"),
    ]
    assert numbers == [1, 1, 1]
    item = queue.get(1)
    assert (item.source, item.reason) == ("flag", "wrong; odd")
    queue.dismiss(item, ME, "noise")
    assert queue.report(traced, "flag", "again") == 1
    assert queue.get(1).reason == "wrong; odd", "a decided item stays as it was decided"
    assert queue.events(1)[-1].note == "flag: again"
    assert [put(queue).id, put(queue).id] == [2, 3], "without a trace nobody can tell"


@pytest.mark.parametrize(("every", "kept"), [(0, []), (1, [0, 1, 2, 3, 4, 5, 6]), (3, [2, 5])])
def test_each_nth_answer_is_sampled_across_restarts(
    queue: ReviewQueue, every: int, kept: list[int]
) -> None:
    for number in range(7):
        asked = replace(ASKED, question=str(number))
        Audit(ReviewQueue(queue.path), every).offer(asked)
    assert [int(item.question) for item in queue.items()] == kept
    assert queue.path.exists() == bool(every)
    with pytest.raises(ReviewError):
        Audit(queue, -1)


def test_complaints_come_before_samples(queue: ReviewQueue) -> None:
    for source in ("audit", "flag", "audit", "thumbs-down"):
        queue.report(ASKED, source)  # type: ignore[arg-type]
    assert [item.id for item in queue.items("open")] == [2, 4, 1, 3]
    assert [item.id for item in queue.items(limit=2)] == [2, 4]


def test_groups_decide_who_sees_it(queue: ReviewQueue) -> None:
    item = put(queue)
    assert not item.visible_to(frozenset())
    assert item.visible_to(frozenset({"it"}))
    before = replace(HELD, document="doc-0", groups=frozenset({"board"}))
    number = queue.report(replace(ASKED, earlier=(before,)), "flag")
    assert not queue.get(number).visible_to(frozenset({"it"})), "the history rests on doc-0"


def test_labels_are_small_words(queue: ReviewQueue) -> None:
    item = queue.label(put(queue), ME, ["Wrong ", "wrong", "needs a  lawyer"])
    assert item.labels == ("wrong", "needs-a-lawyer")
    assert queue.events(1)[-1].note == "labels: wrong, needs-a-lawyer"
    assert queue.stats().labels == {"needs-a-lawyer": 1, "wrong": 1}
    for bad in ("", " ", "a,b", "x" * 41, "a\x1bb"):
        with pytest.raises(ReviewError):
            clean_labels([bad])


@pytest.mark.parametrize(
    "act",
    [
        lambda queue, item: queue.accept(item, " "),
        lambda queue, item: queue.accept(item, "x" * 101),
        lambda queue, item: queue.dismiss(item, ME, " "),
        lambda queue, item: queue.correct(item, ME, ["right", " "], []),
        lambda queue, item: queue.correct(item, ME, [], ["doc-1"]),
        lambda queue, item: queue.get(99),
        lambda queue, item: queue.accept(replace(item, id=99), ME),
        lambda queue, item: queue.promote(item, ME, {"id": "review-other"}, Path("x.jsonl")),
    ],
)
def test_a_decision_that_says_nothing_is_refused(queue: ReviewQueue, act: Any) -> None:
    item = put(queue)
    with pytest.raises(ReviewError):
        act(queue, item)
    assert queue.get(item.id) == item


@pytest.mark.parametrize(
    ("answer", "expected", "relevant"),
    [
        (ANSWER, ["Five days."], ["doc-1"]),
        (ABSTAINED, [], []),
    ],
)
def test_an_accepted_answer_is_the_right_one(
    queue: ReviewQueue, answer: Answer, expected: list[str], relevant: list[str]
) -> None:
    item = queue.label(queue.accept(put(queue, answer), ME), ME, ["tone"])
    case = case_of(item, same)
    assert case == {
        "id": f"review-{item.uid}",
        "query": "How many days?",
        "answers": expected,
        "relevant": relevant,
        "history": [{"role": "user", "content": "hello"}],
        "labels": ["tone"],
        "reviewed_by": ME,
        "signed_off": True,
    }


@pytest.mark.parametrize(
    "answer",
    [replace(ANSWER, status="blocked"), replace(ABSTAINED, cause="stopped by the reader")],
)
def test_a_notice_or_half_an_answer_is_no_case(queue: ReviewQueue, answer: Answer) -> None:
    item = queue.accept(put(queue, answer), ME)
    with pytest.raises(ReviewError, match="no right answer"):
        case_of(item, same)


def test_a_case_needs_a_decision_and_sound_texts(queue: ReviewQueue) -> None:
    item = put(queue)
    with pytest.raises(ReviewError, match="not accepted or corrected"):
        case_of(item, same)
    with pytest.raises(ReviewError, match="another number"):
        case_of(queue.accept(item, ME), lambda texts: texts[1:])


def test_promotion_writes_one_line_once(queue: ReviewQueue, tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"id": "old"}')  # no line end: someone's editor
    item = queue.correct(put(queue), ME, ["Six.", "6"], ["doc-2"])
    case = case_of(item, same)
    done = queue.promote(item, "bob", case, file)
    assert (done.state, done.promoted_to, done.reviewer) == ("promoted", str(file), ME)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"id": "old"}, case]
    with pytest.raises(ReviewError):
        queue.promote(done, "bob", case, tmp_path / "other.jsonl")
    with pytest.raises(ReviewConflict):
        queue.promote(item, "bob", case, tmp_path / "other.jsonl")
    assert not (tmp_path / "other.jsonl").exists()


def test_a_promotion_cut_short_is_finished_without_a_second_line(
    queue: ReviewQueue, tmp_path: Path
) -> None:
    file = tmp_path / "cases.jsonl"
    item = queue.accept(put(queue), ME)
    case = case_of(item, same)
    assert append_case(file, case), "as if killed before the queue was told"
    assert queue.promote(item, ME, case, file).state == "promoted"
    assert len(file.read_text().splitlines()) == 1
    with pytest.raises(ReviewError, match="another case"):
        append_case(file, {**case, "query": "changed"})


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("cases.json", None, "must end in .jsonl"),
        ("gone/cases.jsonl", None, "cannot be written"),
        ("cases.jsonl", "{}\n", "cases.jsonl:1"),
        ("cases.jsonl", '{"id": 1}\nnot json\n', "cases.jsonl:2"),
    ],
)
def test_a_file_that_cannot_take_it_leaves_the_item(
    queue: ReviewQueue, tmp_path: Path, name: str, content: str | None, problem: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    item = queue.accept(put(queue), ME)
    with pytest.raises((ReviewError, CaseError), match=problem):
        queue.promote(item, ME, case_of(item, same), file)
    assert queue.get(item.id) == item
    assert content is None or file.read_text() == content


def test_a_full_disk_leaves_no_half_line(
    queue: ReviewQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cases.jsonl"
    item = queue.accept(put(queue), ME)
    write = os.write

    def half(handle: int, data: Any) -> int:
        write(handle, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(ReviewError, match="No space left"):
            queue.promote(item, ME, case_of(item, same), file)
    assert file.read_bytes() == b""
    assert queue.get(item.id).state == "accepted"


def test_appenders_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    rows = [{"id": str(number), "query": "x" * 5000} for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda row: append_case(file, row), rows * 1))
        assert not any(pool.map(lambda row: append_case(file, row), rows))
    assert sorted(int(json.loads(line)["id"]) for line in file.open()) == list(range(24))


def test_what_rests_on_a_forgotten_document_goes(queue: ReviewQueue) -> None:
    put(queue)
    other = replace(HELD, document="doc-9", text="zebra stripes")
    put(queue, replace(ANSWER, passages=(other,)))
    assert queue.forget(["doc-9", "doc-8"]) == 1
    assert [item.id for item in queue.items()] == [1]
    assert queue.events(2) == ()
    left = b"".join(path.read_bytes() for path in queue.path.parent.glob("review.db*"))
    assert b"zebra" not in left
    assert queue.forget(["doc-8"]) == 0


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_damaged_queue_is_one_line(queue: ReviewQueue, content: bytes) -> None:
    queue.path.write_bytes(content)
    with pytest.raises(ReviewError, match=r"review\.db"):
        queue.items()
    with pytest.raises(ReviewError, match=r"review\.db"):
        queue.thumbs_up()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="cannot be made"):
        ReviewQueue(tmp_path / "gone" / "review.db").thumbs_up()


def test_stats_count(queue: ReviewQueue) -> None:
    for _ in range(2):
        Audit(queue, 1).offer(ASKED)
    queue.accept(queue.get(1), ME)
    put(queue)
    queue.thumbs_up()
    stats = queue.stats()
    assert (stats.total, stats.states["open"], stats.sources["audit"]) == (3, 2, 2)
    assert (stats.audited, stats.thumbs_up, stats.answers) == ({"accepted": 1, "open": 1}, 1, 2)
