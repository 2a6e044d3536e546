"""What a judge's verdicts come to: figures with intervals, and agreement with those who know.

A failed verdict has the lowest value of its rubric, and wins nothing in a comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.judge.verdict import Judge, Way
from evals.metrics import Metric, estimate, mean, share, table
from evals.results import estimate_json
from evals.stats.agreement import cohens_kappa
from evals.types import Case, Estimate, Score, Status

HUMAN = "human"
UNSCORED = ""
TIE = "tie"
LISTED = 5


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the judge agrees with labels: Cohen's kappa, and the plain share of equal ones."""

    kappa: Estimate
    share: Estimate


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What a judge makes of a run. `figures` are over all `n` cases, failed verdicts included.

    `choices` counts verdicts ("" for failed ones), `unscored` lists (id, reason). `agreement` has
    an entry for each kind of label that there is.
    """

    rubric: str
    version: int
    rubric_sha256: str
    model: str
    model_sha256: str
    way: Way
    n: int
    figures: Mapping[str, Estimate]
    choices: Mapping[str, int]
    unscored: tuple[tuple[str, str], ...]
    agreement: Mapping[str, Agreement] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """What `surefoot eval judge --json` prints."""
        return {
            "rubric": {"name": self.rubric, "version": self.version, "sha256": self.rubric_sha256},
            "model": {"name": self.model, "sha256": self.model_sha256},
            "way": self.way,
            "n": self.n,
            "metrics": {name: estimate_json(value) for name, value in self.figures.items()},
            "choices": dict(self.choices),
            "failed": len(self.unscored),
            "unscored": [{"id": name, "reason": reason} for name, reason in self.unscored],
            "agreement": {
                name: {"kappa": estimate_json(a.kappa), "share": estimate_json(a.share)}
                for name, a in self.agreement.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """A case with its verdict; labels are None where nobody gave one, or the suite has no flag."""

    case: Case
    choice: str
    reason: str
    human: str | None
    ours: str | None = None
    turned: bool | None = None
    first: float | None = None


def _case_metrics(judge: Judge) -> tuple[Metric, ...]:
    rubric = judge.rubric
    if not rubric.graded:
        return (share(rubric.name, "value"),)
    bounds = (float(min(rubric.values)), float(max(rubric.values)))
    return (mean(rubric.name, "value", bounds=bounds),)


_PAIR_METRICS = (
    share("wins", "win"),
    share("losses", "loss", better="lower"),
    share("ties", "tie", better="neither"),
    mean("net", "net", bounds=(-1.0, 1.0)),
    share("position_bias", "turned", better="lower"),
    mean("prefers_first", "first", better="neither"),
)


def _values(item: Judged, judge: Judge) -> dict[str, float | None]:
    """What a verdict contributes; without one, a case has the lowest value, and a pair none."""
    rubric = judge.rubric
    if rubric.kind == "case":
        worth = dict(zip(rubric.choices, rubric.values, strict=True))
        return {"value": float(worth.get(item.choice, min(rubric.values)))}
    win, loss = float(item.choice == "run"), float(item.choice == "against")
    turned = None if item.turned is None else float(item.turned)
    tie = float(item.choice == TIE)
    net = win - loss
    return {
        "win": win,
        "loss": loss,
        "tie": tie,
        "net": net,
        "turned": turned,
        "first": item.first,
    }


def report_of(judge: Judge, judged: Sequence[Judged]) -> JudgeReport:
    """The figures of all verdicts of a judge."""
    metrics = _PAIR_METRICS if judge.rubric.kind == "pair" else _case_metrics(judge)
    scores = [_score(item, judge) for item in judged]
    rows = table(scores)
    failed = sorted((item.case.id, item.reason) for item in judged if item.reason)
    return JudgeReport(
        rubric=judge.rubric.name,
        version=judge.rubric.version,
        rubric_sha256=judge.rubric.sha256,
        model=judge.engine.name,
        model_sha256=judge.engine.sha256,
        way=judge.way,
        n=len(judged),
        figures={metric.name: estimate(metric, rows) for metric in metrics},
        choices=dict(sorted(Counter(item.choice for item in judged).items())),
        unscored=tuple(failed),
        agreement=dict(_agreements(judged, judge.rubric.column)),
    )


def _score(item: Judged, judge: Judge) -> Score:
    status: Status = "unscored" if item.reason else "scored"
    return Score(item.case.id, item.case.cluster, status, _values(item, judge), item.reason)


def _agreements(judged: Sequence[Judged], column: str) -> Iterator[tuple[str, Agreement]]:
    """With people, and with the suite's own flag, over the cases that have either."""
    people = [(item, item.human) for item in judged if item.human is not None]
    ours = [(item, item.ours) for item in judged if item.ours is not None]
    if people:
        yield HUMAN, _agreement(people)
    if ours:
        yield column, _agreement(ours)


def _agreement(labelled: Sequence[tuple[Judged, str]]) -> Agreement:
    """A failed verdict is a choice that nobody else makes: it counts as disagreement."""
    judges = [item.choice for item, _ in labelled]
    labels = [label for _, label in labelled]
    clusters = [item.case.cluster for item, _ in labelled]
    same = [
        Score(item.case.id, item.case.cluster, "scored", {"same": float(item.choice == label)})
        for item, label in labelled
    ]
    equal = estimate(share("share", "same"), table(same))
    return Agreement(cohens_kappa(judges, labels, clusters), equal)


def render(report: JudgeReport) -> Iterator[str]:
    """The report as lines for a terminal."""
    how = "by probabilities" if report.way == "score" else "by its replies"
    yield f"{report.rubric} v{report.version}, judged by {report.model} {how}, n={report.n}"
    for name, value in report.figures.items():
        yield f"  {name:<16} {value}"
    counts = ", ".join(f"{name or 'failed'} {count}" for name, count in report.choices.items())
    yield f"  verdicts: {counts or 'none'}"
    for name, found in report.agreement.items():
        whom = "people's labels" if name == HUMAN else f"our own {name!r}"
        yield f"  agreement with {whom}: kappa {found.kappa}; the same {found.share}"
    if HUMAN not in report.agreement:
        yield "  no people's labels: how far this judge can be trusted here is not known"
    for case, reason in report.unscored[:LISTED]:
        yield f"  no verdict for {case}: {reason}"
    if len(report.unscored) > LISTED:
        yield f"  and {len(report.unscored) - LISTED} more without a verdict"
