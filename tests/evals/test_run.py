"""The runner: everything is computed once, kept, and comes to the same bytes however it was cut."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from evals.attempt import Limits
from evals.cases import open_cases
from evals.errors import RunError
from evals.journal import Journal, read_journal
from evals.run import Plan, evaluate
from evals.rundir import JOURNAL, RESULTS, SCORES, Run
from evals.suites.base import Options
from evals.testing import FakeSubject, FakeSuite, Silent
from evals.types import Case, Outcome, Pins
from rag.errors import ModelUnavailable
from rag.models import write_atomic

QUICK = Limits(seconds=5.0, retries=1, backoff_s=0.001)


def write_cases(path: Path, n: int, change: int | None = None) -> Path:
    rows = [
        {"id": f"c{i}", "value": i % 7, "truth": 3, "cluster": f"k{i // 3}", "kind": "ab"[i % 2]}
        for i in range(n)
    ]
    if change is not None:
        rows[change]["truth"] = rows[change]["value"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def plan(
    suite: FakeSuite, cases: Path, limits: Limits = QUICK, slices: tuple[str, ...] = ()
) -> Plan:
    return Plan(suite, open_cases([cases], suite.check), Options(), slices=slices, limits=limits)


def content(folder: Path) -> tuple[bytes, bytes]:
    return (folder / RESULTS).read_bytes(), (folder / SCORES).read_bytes()


def test_every_case_once_and_in_order(tmp_path: Path) -> None:
    suite = FakeSuite()
    run = evaluate(
        plan(suite, write_cases(tmp_path / "c", 21), slices=("kind",)), tmp_path, Silent()
    )
    assert suite.subject.asked == [f"c{i}" for i in range(21)]
    assert [item.score.id for item in run.scores()] == [f"c{i}" for i in range(21)]
    assert run.results["metrics"]["accuracy"]["value"] == pytest.approx(3 / 21)
    assert run.results["failed"] == 0
    assert set(run.results["slices"]["kind"]) == {"a", "b"}
    assert run.results["slices"]["kind"]["a"]["accuracy"]["n"] == 11
    assert Run.load(tmp_path).results == run.results
    assert [case.id for case, _ in run.rows()] == suite.subject.asked


def test_a_field_that_is_asked_for_slices_whatever_it_holds(tmp_path: Path) -> None:
    values: list[object] = [0.5, 0.25, "long " * 40, ["x"], None, 0.5]
    rows = [{"id": str(i), "value": 1, "truth": 1, "by": by} for i, by in enumerate(values)]
    (tmp_path / "c").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = evaluate(plan(FakeSuite(), tmp_path / "c", slices=("by",)), tmp_path, Silent())
    counts = {value: found["accuracy"]["n"] for value, found in run.results["slices"]["by"].items()}
    assert counts == {"0.5": 2, "0.25": 1, "long " * 40: 1, "['x']": 1, "(none)": 1}


def test_names_that_utf8_cannot_hold_are_kept(tmp_path: Path) -> None:
    row = {"id": "half \ud800", "value": 1, "truth": 1, "kind": "\udfff"}
    (tmp_path / "c").write_text(json.dumps(row) + "\n")
    run = evaluate(plan(FakeSuite(), tmp_path / "c", slices=("kind",)), tmp_path, Silent())
    assert [item.score.id for item in run.scores()] == [row["id"]]
    assert Run.load(tmp_path).results == run.results


def test_a_finished_run_loads_no_subject(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 9)
    evaluate(plan(FakeSuite(), cases), tmp_path, Silent())
    before = content(tmp_path)
    again = FakeSuite()
    evaluate(plan(again, cases), tmp_path, Silent())
    assert again.opened == 0
    assert content(tmp_path) == before


def test_only_what_changed_is_computed(tmp_path: Path) -> None:
    evaluate(plan(FakeSuite(), write_cases(tmp_path / "c", 9)), tmp_path, Silent())
    changed = FakeSuite()
    run = evaluate(plan(changed, write_cases(tmp_path / "c", 12, change=4)), tmp_path, Silent())
    assert changed.subject.asked == ["c4", "c9", "c10", "c11"]
    assert [item.score.id for item in run.scores()] == [f"c{i}" for i in range(12)]
    assert run.scores()[4].score.values["right"] == 1.0
    other = FakeSuite(model="another")
    evaluate(plan(other, tmp_path / "c"), tmp_path, Silent())
    assert len(other.subject.asked) == 12


class Stop(BaseException):
    """Stands for whatever ends a program in the middle."""


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_stopped_anywhere_it_comes_to_the_same(tmp_path: Path, seed: int, workers: int) -> None:
    """Batches of the resumed runs are those of the undisturbed one; no finished case is redone."""
    cases = write_cases(tmp_path / "c", 50)
    limits = Limits(seconds=5.0, retries=1, backoff_s=0.001, workers=workers)
    whole = FakeSuite()
    evaluate(plan(whole, cases, limits), tmp_path / "whole", Silent())
    chance = random.Random(seed)
    broken = tmp_path / "broken"
    batches: list[tuple[str, ...]] = []
    for _ in range(5):
        left = [chance.randrange(1, 3)]

        def hook(batch: Sequence[Case], cancel: Event, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Stop

        suite = FakeSuite(FakeSubject(hook))
        with pytest.raises(Stop):
            evaluate(plan(suite, cases, limits), broken, Silent())
        batches += suite.subject.batches
        torn = (broken / JOURNAL).read_bytes()
        (broken / JOURNAL).write_bytes(torn + b'{"key": "half a li')
    last = FakeSuite()
    evaluate(plan(last, cases, limits), broken, Silent())
    assert content(broken) == content(tmp_path / "whole")
    assert set(batches + last.subject.batches) == set(whole.subject.batches)
    kept = [entry.key for entry in read_journal(broken / JOURNAL)]
    assert len(kept) == len(set(kept)) == 50


def test_a_batch_counts_only_when_it_is_whole(tmp_path: Path) -> None:
    """At every byte where a writer may have been cut off, what is read are whole batches."""
    journal = Journal(tmp_path / "j")
    cases = [Case(f"c{i}", "k", {"value": "ü"}, f"s{i}") for i in range(5)]
    pins = Pins("fake")
    journal.append(pins, [(case, Outcome({"v": 1})) for case in cases[:3]])
    journal.append(pins, [(case, Outcome({"v": 2})) for case in cases[3:]])
    journal.close()
    whole = (tmp_path / "j").read_bytes()
    counts = set()
    for cut in range(len(whole) + 1):
        (tmp_path / "cut").write_bytes(whole[:cut])
        found = list(read_journal(tmp_path / "cut"))
        counts.add(len(found))
        if cut % 50 == 0:
            again = Journal(tmp_path / "cut")
            again.append(pins, [(cases[0], Outcome({"v": 3}))])
            again.close()
            assert len(list(read_journal(tmp_path / "cut"))) == len(found) + 1
    assert counts == {0, 3, 5}


def test_what_fails_is_tried_again_and_then_counted(tmp_path: Path) -> None:
    tries: dict[str, int] = {}

    def hook(cases: Sequence[Case], cancel: Event) -> None:
        for case in cases:
            tries[case.id] = tries.get(case.id, 0) + 1
            if case.id == "c3" or (case.id == "c5" and tries["c5"] < 3):
                raise OSError("the line\nis down")

    suite = FakeSuite(FakeSubject(hook))
    cases = write_cases(tmp_path / "c", 8)
    run = evaluate(plan(suite, cases), tmp_path, Silent())
    assert run.results["failed"] == 1
    assert run.results["unscored"] == [{"id": "c3", "reason": "OSError: the line is down"}]
    assert run.results["metrics"]["accuracy"] == {
        **run.results["metrics"]["accuracy"],
        "value": 0.0,
        "n": 8,
    }
    mended = FakeSuite()
    run = evaluate(plan(mended, cases), tmp_path, Silent())
    assert mended.subject.asked == ["c3"]
    assert run.results["failed"] == 0


def test_a_case_that_hangs_costs_itself(tmp_path: Path) -> None:
    seen = []

    def hook(cases: Sequence[Case], cancel: Event) -> None:
        if any(case.id == "c2" for case in cases):
            seen.append(cancel.wait(30))

    suite = FakeSuite(FakeSubject(hook))
    limits = Limits(seconds=0.2, retries=3, backoff_s=0.001)
    run = evaluate(plan(suite, write_cases(tmp_path / "c", 6), limits), tmp_path, Silent())
    assert run.results["unscored"] == [{"id": "c2", "reason": "took longer than 0.2 s"}]
    assert seen == [True, True], "asked to stop, in its batch and alone, and not tried again"


def test_a_wrong_count_is_a_failure(tmp_path: Path) -> None:
    class Short(FakeSubject):
        def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
            return super().run(cases, cancel)[:-1]

    run = evaluate(plan(FakeSuite(Short()), write_cases(tmp_path / "c", 4)), tmp_path, Silent())
    assert run.results["failed"] == 4
    assert "gave 0 outcomes for 1 cases" in run.results["unscored"][0]["reason"]


def test_a_missing_model_ends_the_run(tmp_path: Path) -> None:
    def hook(cases: Sequence[Case], cancel: Event) -> None:
        raise ModelUnavailable("m", ())

    suite = FakeSuite(FakeSubject(hook))
    with pytest.raises(ModelUnavailable):
        evaluate(plan(suite, write_cases(tmp_path / "c", 40)), tmp_path, Silent())
    assert len(suite.subject.batches) == 1
    with pytest.raises(RunError, match="is not finished"):
        Run.load(tmp_path)


def test_two_writers_at_once(tmp_path: Path) -> None:
    inside, go = Event(), Event()

    def hook(cases: Sequence[Case], cancel: Event) -> None:
        inside.set()
        go.wait(10)

    cases = write_cases(tmp_path / "c", 4)
    first = threading.Thread(
        target=evaluate, args=(plan(FakeSuite(FakeSubject(hook)), cases), tmp_path / "r", Silent())
    )
    first.start()
    assert inside.wait(10)
    with pytest.raises(RunError, match="is being written by process"):
        evaluate(plan(FakeSuite(), cases), tmp_path / "r", Silent())
    go.set()
    first.join()
    assert Run.load(tmp_path / "r").results["n"] == 4


def other_suite() -> FakeSuite:
    suite = FakeSuite()
    suite.name = "another"
    suite.pins = lambda options: Pins("another")  # type: ignore[method-assign]
    return suite


def test_a_run_of_another_suite_is_left_alone(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 4)
    evaluate(plan(FakeSuite(), cases), tmp_path / "r", Silent())
    before = content(tmp_path / "r")
    with pytest.raises(RunError, match="is of suite fake; give another --out"):
        evaluate(plan(other_suite(), cases), tmp_path / "r", Silent())
    assert content(tmp_path / "r") == before


@pytest.mark.parametrize("name", [RESULTS, SCORES, "report.html"])
def test_files_of_no_run_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match=f"holds {name} but no run"):
        evaluate(plan(FakeSuite(), write_cases(tmp_path / "c", 4)), tmp_path, Silent())
    assert (tmp_path / name).read_text() == "mine"


def test_case_files_in_the_way_are_left_alone(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / JOURNAL, 4)
    before = cases.read_bytes()
    with pytest.raises(RunError, match="holds the case file"):
        evaluate(plan(FakeSuite(), cases), tmp_path, Silent())
    assert cases.read_bytes() == before


def test_damage_in_the_journal_costs_what_is_damaged(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 12)
    evaluate(plan(FakeSuite(), cases), tmp_path / "r", Silent())
    before, journal = content(tmp_path / "r"), tmp_path / "r" / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([b"\0\xff\n", *lines[:5], b"{damage\n", *lines[6:]]))
    with pytest.raises(RunError, match="holds 11 of 12 cases"):
        list(Run.load(tmp_path / "r").rows())
    mended = FakeSuite()
    run = evaluate(plan(mended, cases), tmp_path / "r", Silent())
    assert mended.subject.asked == ["c5"]
    assert content(tmp_path / "r") == before
    assert len(list(run.rows())) == 12


def test_rows_of_other_code_are_not_scored(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 4)
    journal = Journal(tmp_path / JOURNAL)
    rows = [
        (case, Outcome({"of another": "shape"})) for case in plan(FakeSuite(), cases).files.read()
    ]
    journal.append(Pins("fake", code="old"), rows)
    journal.close()
    assert evaluate(plan(FakeSuite(), cases), tmp_path, Silent()).results["n"] == 4


def test_case_files_that_change_meanwhile_are_noticed(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 8)
    planned = plan(FakeSuite(), cases)
    write_cases(cases, 5)
    with pytest.raises(RunError, match="case files changed"):
        evaluate(planned, tmp_path / "r", Silent())
    with pytest.raises(RunError, match="is not finished"):
        Run.load(tmp_path / "r")


DAMAGE = [
    ("run.json", '"suite": "fake"', '"suite": 3', "is of another version"),
    (RESULTS, '"metrics"', '"matrix"', "has no metrics"),
    (SCORES, '"right": 0.0', '"right": "no"', "cannot be read"),
    (SCORES, '"values": {', '"values": [], "x": {', "cannot be read"),
]


@pytest.mark.parametrize(("name", "old", "new", "problem"), DAMAGE)
def test_damage_is_said_and_mended(
    tmp_path: Path, name: str, old: str, new: str, problem: str
) -> None:
    cases, folder = write_cases(tmp_path / "c", 4), tmp_path / "r"
    evaluate(plan(FakeSuite(), cases), folder, Silent())
    before, text = content(folder), (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    with pytest.raises(RunError, match=problem):
        Run.load(folder).scores()
    mended = FakeSuite()
    evaluate(plan(mended, cases), folder, Silent())
    assert content(folder) == before
    assert mended.subject.asked == []


def test_lost_scores_are_noticed(tmp_path: Path) -> None:
    run = evaluate(plan(FakeSuite(), write_cases(tmp_path / "c", 4)), tmp_path / "r", Silent())
    lines = (run.path / SCORES).read_text().splitlines(keepends=True)
    (run.path / SCORES).write_text("".join(lines[:-1]))
    with pytest.raises(RunError, match="holds 3 of 4 cases"):
        run.scores()


@pytest.mark.parametrize("name", ["run.json", SCORES, RESULTS])
def test_a_disk_that_is_full_at_the_end_is_one_line(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == name:
            raise OSError(28, "No space left on device")
        write_atomic(path, data)

    monkeypatch.setattr("evals.rundir.write_atomic", full)
    with pytest.raises(RunError, match="cannot be written: No space left"):
        evaluate(plan(FakeSuite(), write_cases(tmp_path / "c", 4)), tmp_path / "r", Silent())


def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = write_cases(tmp_path / "c", 20)
    written, real = [0], os.write

    def full(file: int, data: bytes) -> int:
        written[0] += len(data)
        if written[0] > 2000 and b'"key"' in bytes(data[:10]):
            raise OSError(28, "No space left on device")
        return real(file, data)

    with monkeypatch.context() as patch:
        patch.setattr("evals.journal.os.write", full)
        with pytest.raises(RunError, match="No space left"):
            evaluate(plan(FakeSuite(), cases), tmp_path / "r", Silent())
    kept = len(list(read_journal(tmp_path / "r" / JOURNAL)))
    assert 0 < kept < 20
    mended = FakeSuite()
    evaluate(plan(mended, cases), tmp_path / "r", Silent())
    assert len(mended.subject.asked) == 20 - kept


SCRIPT = """
import sys, time
from pathlib import Path
from evals.cases import open_cases
from evals.run import Plan, evaluate
from evals.suites.base import Options
from evals.testing import FakeSubject, FakeSuite, Silent
suite = FakeSuite(FakeSubject(lambda cases, cancel: time.sleep(0.02)))
files = open_cases([Path(sys.argv[1])], suite.check)
evaluate(Plan(suite, files, Options()), Path(sys.argv[2]), Silent())
"""


def test_killed_five_times_gives_the_same_bytes(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "c", 120)
    evaluate(plan(FakeSuite(), cases), tmp_path / "whole", Silent())
    target = tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT, str(cases), str(target)]
    journal = target / JOURNAL
    for number in range(1, 6):
        process = subprocess.Popen(command)
        wanted = number * 3000
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < wanted):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed in the middle"
    subprocess.run(command, check=True)
    assert content(target) == content(tmp_path / "whole")
