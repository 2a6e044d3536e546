"""The runs that the evaluations page lists: how each stands, and who may see its cases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.cases import open_cases
from evals.run import Plan, evaluate
from evals.rundir import GATE, INFO, RESULTS
from evals.suites import get
from evals.suites.base import Options
from evals.testing import Played, Silent
from evals.types import Case, Outcome
from ui.evaluation_runs import (
    JOB,
    Figure,
    comparable,
    headline,
    listed,
    may_see_cases,
    places,
)

CASES = "".join(
    json.dumps({"id": str(n), "text": "Ask Ada.", "spans": [[4, 7, "PERSON"]]}) + "\n"
    for n in range(4)
)


def finds(case: Case) -> Outcome:
    found = [[4, 7, "PERSON", 0.9]] if case.id != "0" else []
    return Outcome({"findings": found}, 1.0) if case.id != "3" else Outcome({}, 1.0, "too long")


def made(folder: Path, groups: frozenset[str] = frozenset()) -> Path:
    cases = folder.parent.parent / "cases.jsonl"
    cases.write_text(CASES, encoding="utf-8")
    suite = Played(get("pii"), finds)
    plan = Plan(suite, open_cases([cases], suite.check), Options(groups=groups))
    return evaluate(plan, folder, Silent()).path


def asleep(path: Path) -> bool:
    return False


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "kb" / "runs"
    folder.mkdir(parents=True)
    return folder


def test_a_finished_run_tells_its_first_figure(runs: Path) -> None:
    path = made(runs / "a")
    (row,) = listed([runs], asleep)
    assert (row.key, row.suite, row.cases, row.n) == ("a", "pii", "cases.jsonl", 4)
    assert (row.state, row.failed, row.gate) == ("finished", 1, "")
    assert row.headline is not None
    assert (row.headline.name, row.headline.value, row.headline.unit) == ("recall", 0.5, True)
    (path / GATE).write_text('{"verdict": "fail"}', encoding="utf-8")
    assert listed([runs], asleep)[0].gate == "fail"


def unlink(*names: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        for name in names:
            (path / name).unlink()

    return change


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        (path / name).write_text(text, encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "alive", "state"),
    [
        (unlink(RESULTS), False, "stopped"),
        (unlink(RESULTS), True, "running"),
        (unlink(), True, "running"),
        (write(RESULTS, "{"), False, "damaged"),
        (write(RESULTS, "{}"), False, "damaged"),
        (write(INFO, "[]"), False, "damaged"),
        (write(GATE, "{}"), False, "damaged"),
    ],
)
def test_how_a_run_stands(
    runs: Path, change: Callable[[Path], None], alive: bool, state: str
) -> None:
    change(made(runs / "a"))
    (row,) = listed([runs], lambda path: alive)
    assert row.state == state
    assert bool(row.problem) == (state == "damaged")


@pytest.mark.parametrize(("alive", "state"), [(True, "running"), (False, "failed")])
def test_a_run_that_has_not_read_its_cases(runs: Path, alive: bool, state: str) -> None:
    (runs / "b").mkdir()
    job = {"suite": "qa", "cases": "/x/c.jsonl", "groups": ["board"]}
    (runs / "b" / JOB).write_text(json.dumps(job), encoding="utf-8")
    (row,) = listed([runs], lambda path: alive)
    assert (row.state, row.cases, row.groups) == (state, "c.jsonl", frozenset({"board"}))


def test_runs_of_further_folders_come_too(runs: Path, tmp_path: Path) -> None:
    more, single = tmp_path / "more", tmp_path / "single"
    made(runs / "a")
    made(more / "a")
    made(single)
    (runs / "cases-1").mkdir()
    (runs / "link").symlink_to(runs / "a")
    env = {"SUREFOOT_RUNS": os.pathsep.join([str(more), str(single), "", str(tmp_path / "gone")])}
    rows = listed(places(runs.parent, env), lambda path: path == runs / "a")
    assert rows[0].path == runs / "a", "what is under way comes first"
    assert {row.key for row in rows} == {"a", "a~2", "single"}


def test_only_finished_runs_of_the_suite_are_compared(runs: Path) -> None:
    for name in ("a", "b", "c"):
        made(runs / name)
    (runs / "c" / RESULTS).unlink()
    rows = listed([runs], asleep)
    first = next(row for row in rows if row.key == "a")
    assert [row.key for row in comparable(first, rows)] == ["b"]


@pytest.mark.parametrize(
    ("ran_with", "groups", "seen"),
    [((), (), True), (("board",), (), False), (("board",), ("board", "hr"), True)],
)
def test_cases_are_for_those_who_may_see_what_ran(
    runs: Path, ran_with: tuple[str, ...], groups: tuple[str, ...], seen: bool
) -> None:
    made(runs / "a", frozenset(ran_with))
    (row,) = listed([runs], asleep)
    assert may_see_cases(row, frozenset(groups)) is seen


@pytest.mark.parametrize(
    ("suite", "metrics", "figure"),
    [
        ("qa", {}, None),
        ("qa", {"f1": {"value": None, "low": None, "high": None, "n": 0}}, None),
        (
            "perplexity",
            {"perplexity": {"value": 9.5, "low": 9.0, "high": 10.0, "n": 3}},
            Figure("perplexity", 9.5, 9.0, 10.0, 3, False),
        ),
        (
            "qa",
            {
                "f1": {"value": 0.1, "low": 0.0, "high": 0.2, "n": 9},
                "abstain_recall": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 4},
            },
            Figure("abstain_recall", 0.5, 0.4, 0.6, 4, True),
        ),
    ],
)
def test_the_headline(suite: str, metrics: dict[str, dict[str, float]], figure: Figure) -> None:
    assert headline(suite, metrics) == figure
