"""The runner: cases in batches to the subject, every finished batch durably kept, resumable.

Finished cases are found again by what they are (pins and content), not by where they stood, so
the same command goes on where it was stopped, and a changed case is the only one computed anew.
Batches are cut in the order of the cases: a resumed run computes in the same batches as one that
was never stopped, and comes to the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from evals.attempt import Attempts, Limits
from evals.cases import CaseFiles
from evals.errors import RunError
from evals.journal import Journal, case_key, read_journal
from evals.report import HTML, MARKDOWN
from evals.results import results_of
from evals.rundir import (
    INFO,
    JOURNAL,
    RESULTS,
    SCORES,
    Run,
    read_info,
    sole_writer,
    write_info,
    write_run,
)
from evals.seen import FIELD, was_seen
from evals.suites.base import Options, Suite
from evals.types import Case, Pins, RunInfo, Score, ScoredCase

# Files that a run has only once it has a run.json.
_LATER = (SCORES, RESULTS, HTML, MARKDOWN)
_OURS = (INFO, JOURNAL, *_LATER)


class Watch(Protocol):
    """Is told how a run goes, from one thread: cases done earlier first, then as they finish."""

    def begin(self, total: int, suite: Suite) -> None: ...

    def finished(self, scores: Sequence[Score]) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `slices` are fields of the cases to report separately by."""

    suite: Suite
    files: CaseFiles
    options: Options
    sample: int | None = None
    seed: int = 0
    slices: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    command: str = ""


def evaluate(plan: Plan, folder: Path, watch: Watch) -> Run:
    """Run what is not done yet, and write the results. Stopped anywhere, nothing finished is lost.

    Raises RunError if the folder can't be written, is another's, or another process writes it, and
    SurefootError if the subject can't be opened. KeyboardInterrupt leaves the journal whole.
    """
    info = _info(plan)
    _require_ours(plan, folder)
    with sole_writer(folder):
        journal = Journal(folder / JOURNAL)
        try:
            (folder / RESULTS).unlink(missing_ok=True)
            write_info(folder, info)
            watch.begin(plan.files.n, plan.suite)
            done = _tell_known(plan, folder, info.pins, watch)
            _Drive(plan, info.pins, journal, watch).go(done)
        finally:
            journal.close()
        if plan.suite.pins(plan.options) != info.pins:
            raise RunError(folder, "the knowledge base changed meanwhile; give the command again")
        scores = _scores(plan, folder, info.pins)
        return write_run(folder, info, scores, results_of(plan.suite, scores, plan.slices))


class _Drive:
    """One pass over the cases that are not done."""

    def __init__(self, plan: Plan, pins: Pins, journal: Journal, watch: Watch) -> None:
        self._plan = plan
        self._pins = pins
        self._journal = journal
        self._watch = watch

    def go(self, done: frozenset[str]) -> None:
        if next(self._batches(done), None) is None:
            return
        # Opened outside of the event loop, which would hold a Ctrl-C back until all is loaded.
        subject = self._plan.suite.open(self._plan.options)
        asyncio.run(self._drive(Attempts(subject, self._plan.limits), done))

    async def _drive(self, attempts: Attempts, done: frozenset[str]) -> None:
        slots = asyncio.Semaphore(self._plan.limits.workers)
        try:
            async with asyncio.TaskGroup() as tasks:
                for batch in self._batches(done):
                    await slots.acquire()
                    job = tasks.create_task(self._one(attempts, batch))
                    job.add_done_callback(lambda _: slots.release())
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _one(self, attempts: Attempts, batch: Sequence[Case]) -> None:
        outcomes = await attempts.run(batch)
        finished = list(zip(batch, outcomes, strict=True))
        self._journal.append(self._pins, finished)
        self._watch.finished([self._plan.suite.score(c, o) for c, o in finished])

    def _batches(self, done: frozenset[str]) -> Iterator[list[Case]]:
        left = (c for c in self._plan.files.read() if case_key(self._pins, c) not in done)
        while batch := list(islice(left, self._plan.suite.batch)):
            yield batch


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first: the others are its consequences."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _info(plan: Plan) -> RunInfo:
    settings: dict[str, Any] = {"slices": list(plan.slices), "command": plan.command}
    if plan.options.groups:
        settings["groups"] = sorted(plan.options.groups)
    return RunInfo(
        pins=plan.suite.pins(plan.options),
        sources=plan.files.sources,
        n=plan.files.n,
        sample=plan.sample,
        seed=plan.seed,
        settings=settings,
    )


def _tell_known(plan: Plan, folder: Path, pins: Pins, watch: Watch) -> frozenset[str]:
    """Keys of the chosen cases that need not be computed; one that failed is tried again."""
    chosen = {case_key(pins, case) for case in plan.files.read()}
    known = {
        entry.key: plan.suite.score(entry.case, entry.outcome)
        for entry in read_journal(folder / JOURNAL)
        if entry.key in chosen and not entry.outcome.reason
    }
    watch.finished(list(known.values()))
    return frozenset(known)


def _scores(plan: Plan, folder: Path, pins: Pins) -> list[ScoredCase]:
    """Every chosen case's score, in order. Holds scores, not outcomes."""
    by_key: dict[str, Score] = {}
    for entry in read_journal(folder / JOURNAL):
        # Of several tries of one case, a failure never takes the place of a success.
        if entry.pinned(pins) and (entry.key not in by_key or not entry.outcome.reason):
            by_key[entry.key] = plan.suite.score(entry.case, entry.outcome)
    found = [
        ScoredCase(by_key[key], case.sha256, _slices(plan, case))
        for case in plan.files.read()
        if (key := case_key(pins, case)) in by_key
    ]
    if len(found) != plan.files.n:
        raise RunError(folder, "its case files changed meanwhile; give the command again")
    return found


def _slices(plan: Plan, case: Case) -> dict[str, str]:
    """What results are sliced by: fields asked for, and short ones that aren't the suite's own.

    Among them whether the case was trained on, where what is under test is trained.
    """
    seen = was_seen(plan.suite.name, case.row)
    trained = {} if seen is None else {FIELD: "yes" if seen else "no"}
    own = {"id", "cluster", *plan.suite.fields}
    asked = {name: str(value) for name in plan.slices if (value := case.row.get(name)) is not None}
    short = {
        name: str(value)
        for name, value in case.row.items()
        if name not in own and isinstance(value, str | int | bool) and len(str(value)) <= 80
    }
    return short | asked | trained


def _require_ours(plan: Plan, folder: Path) -> None:
    """Raises RunError rather than write over what is no run of this suite."""
    for path in plan.files.paths:
        if path.name in _OURS and path.resolve().parent == folder.resolve():
            raise RunError(folder, f"holds the case file {path.name}; give another --out")
    if (folder / INFO).exists():
        suite = _suite_there(folder)
        if suite not in (None, plan.suite.name):
            raise RunError(folder, f"is of suite {suite}; give another --out")
    elif foreign := [name for name in _LATER if (folder / name).exists()]:
        raise RunError(folder, f"holds {foreign[0]} but no run; give another --out")


def _suite_there(folder: Path) -> str | None:
    """The suite of the run in a folder; None if its run.json is damaged, to be written anew."""
    try:
        return read_info(folder).pins.suite
    except RunError:
        return None
