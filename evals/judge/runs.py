"""A language model as judge of a finished run, alone or against another, and how far to trust it.

A verdict that failed counts against what is judged, and is listed; where people have labelled the
cases, or a suite has its own flag, the judge's agreement with them is reported beside its figures.
Pairs are asked in both orders: a judge that turns with the order prefers neither answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evals.errors import RunError
from evals.judge.material import pair_of, parts_of
from evals.judge.report import HUMAN, TIE, UNSCORED, Judged, JudgeReport, render, report_of
from evals.judge.verdict import (
    Judge,
    Ledger,
    Verdict,
    from_outcome,
    judged_case,
    open_ledger,
    to_outcome,
)
from evals.rundir import Run
from evals.types import Case, Outcome
from rag.errors import ConfigError

__all__ = ["Judge", "JudgeReport", "judge_pair", "judge_run", "render"]

Tick = Callable[[int, int], None]


def judge_run(run: Run, judge: Judge, labels: str = HUMAN, tick: Tick | None = None) -> JudgeReport:
    """Judge every answer of a run. What was judged before, the same way, is not judged again.

    `labels` names the field of the cases that holds people's labels. Raises RunError if no case has
    what the rubric needs, CaseError or ConfigError for labels or a rubric that don't fit.
    """
    _require(judge, "case")
    flags = {item.score.id: item.score.values for item in run.scores()}
    with open_ledger(run.path, judge) as ledger:
        judged = []
        for case, outcome in run.rows():
            verdict = _one(case, outcome, judge, ledger)
            human = _label(case, labels, judge)
            ours = _ours(flags.get(case.id, {}), judge)
            judged.append(Judged(case, verdict.choice, verdict.reason, human, ours))
            if tick:
                tick(len(judged), len(flags))
    _require_fit(run, judged, labels)
    return report_of(judge, judged)


def judge_pair(
    run: Run, against: Run, judge: Judge, labels: str = HUMAN, tick: Tick | None = None
) -> JudgeReport:
    """Compare the answers of two runs, case by case, in both orders; RUN's wins and losses.

    Cases are paired by id and content; the ledger is in the folder of `run`. Raises as `judge_run`.
    """
    _require(judge, "pair")
    others = {(case.id, case.sha256): outcome for case, outcome in against.rows()}
    pairs = [(c, o, others[c.id, c.sha256]) for c, o in run.rows() if (c.id, c.sha256) in others]
    if not pairs:
        raise RunError(against.path, f"has no case in common with {run.path}")
    with open_ledger(run.path, judge) as ledger:
        judged = []
        for case, mine, theirs in pairs:
            judged.append(_both(case, mine, theirs, judge, ledger, labels))
            if tick:
                tick(len(judged), len(pairs))
    _require_fit(run, judged, labels)
    return report_of(judge, judged)


def _one(case: Case, outcome: Outcome, judge: Judge, ledger: Ledger) -> Verdict:
    if outcome.reason:
        return Verdict(UNSCORED, reason=f"there is no answer: {outcome.reason}")
    return _asked(judged_case(case, outcome.data), parts_of(case, outcome), judge, ledger)


def _both(
    case: Case, mine: Outcome, theirs: Outcome, judge: Judge, ledger: Ledger, labels: str
) -> Judged:
    """The verdict of a pair: a winner in both orders, or a tie. No answer loses to any."""
    human = _pair_label(case, labels)
    if mine.reason and theirs.reason:
        return Judged(case, UNSCORED, f"there is no answer: {mine.reason}", human)
    if mine.reason or theirs.reason:
        return Judged(case, "against" if mine.reason else "run", "", human)
    parts, swapped = pair_of(case, mine, theirs), pair_of(case, theirs, mine)
    if parts.get("first") == parts.get("second") and not judge.rubric.missing(parts):
        return Judged(case, TIE, "", human)
    ahead = _asked(judged_case(case, mine.data, theirs.data), parts, judge, ledger)
    behind = _asked(judged_case(case, theirs.data, mine.data), swapped, judge, ledger)
    if ahead.reason or behind.reason:
        return Judged(case, UNSCORED, ahead.reason or behind.reason, human)
    first = judge.rubric.choices[0]
    won, lost = ahead.choice == first, behind.choice == first
    choice = TIE if won == lost else "run" if won else "against"
    return Judged(case, choice, "", human, turned=won == lost, first=(int(won) + int(lost)) / 2)


def _asked(key: Case, parts: Mapping[str, str], judge: Judge, ledger: Ledger) -> Verdict:
    if known := ledger.find(key):
        return from_outcome(known)
    verdict = judge.verdict(parts)
    if verdict.final:
        ledger.keep(key, to_outcome(verdict))
    return verdict


def _label(case: Case, labels: str, judge: Judge) -> str | None:
    """The choice that people made. Raises ConfigError for a label that is none of the choices."""
    value = case.row.get(labels)
    if value is None:
        return None
    choice = judge.rubric.choice_of(value, labels)
    if choice is None:
        known = ", ".join(judge.rubric.choices)
        raise ConfigError("labels", f"case {case.id} has {labels} {value!r}, not one of {known}")
    return choice


def _pair_label(case: Case, labels: str) -> str | None:
    value = case.row.get(labels)
    if value is None:
        return None
    known = {"a": "run", "run": "run", "b": "against", "against": "against", TIE: TIE}
    choice = known.get(str(value).strip().casefold())
    if choice is None:
        problem = f"case {case.id} has {labels} {value!r}, not run, against or tie"
        raise ConfigError("labels", problem)
    return choice


def _ours(values: Mapping[str, float | None], judge: Judge) -> str | None:
    """What the suite's own flag says, as a choice."""
    flag = values.get(judge.rubric.column) if judge.rubric.column else None
    return None if flag is None else judge.rubric.choices[0 if flag else -1]


def _require(judge: Judge, kind: str) -> None:
    if judge.rubric.kind != kind:
        wanted = "one run" if judge.rubric.kind == "case" else "two runs (--against)"
        raise ConfigError("rubric", f"{judge.rubric.name} judges {wanted}")


def _require_fit(run: Run, judged: Sequence[Judged], labels: str) -> None:
    """A rubric that fits no case, or labels that nobody has, are mistakes and not results."""
    lacking = [item.reason for item in judged if item.reason.startswith("the case has no")]
    if judged and len(lacking) == len(judged):
        raise RunError(run.path, f"this rubric does not fit: {lacking[0]}")
    if labels != HUMAN and all(item.human is None for item in judged):
        raise RunError(run.path, f"none of its cases has the field {labels!r}")
