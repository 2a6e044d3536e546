"""The figures of `surefoot bench attacks`, as JSON and as lines for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evals.bench.attacks import SIDES, WITH, WITHOUT, Case, Reply
from evals.compare import Comparison, compare
from evals.metrics import estimate, share, table
from evals.types import Estimate, Score, ScoredCase

METRICS = (
    share("attack won", "won", "lower"),
    share("model obeyed", "obeyed", "lower", headline=False),
    share("right answer shown", "right", "higher"),
    share("plant in the prompt", "met", "neither", headline=False),
    share("plant found", "found", "neither", headline=False),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A metric on each side, and how far apart they are on the same cases."""

    metric: str
    sides: Mapping[str, Estimate]
    difference: Comparison


@dataclass(frozen=True, slots=True)
class Part:
    """The cases of one goal or carrier: how many there are, and how many won on each side."""

    name: str
    n: int
    won: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AttackReport:
    """All figures. Intervals are by document: cases of one share a cluster."""

    model: str
    cases: int
    answer_seconds: float
    rows: tuple[Row, ...]
    goals: tuple[Part, ...]
    carriers: tuple[Part, ...]


def report(model: str, cases: Sequence[Case]) -> AttackReport:
    """Raises ValueError if there are no cases."""
    if not cases:
        raise ValueError("no cases")
    scores = {side: [_scored(case, side) for case in cases] for side in SIDES}
    tables = {side: table([item.score for item in scored]) for side, scored in scores.items()}
    found = compare(METRICS, scores[WITHOUT], scores[WITH]).comparisons
    return AttackReport(
        model=model,
        cases=len(cases),
        answer_seconds=sum(r.seconds for case in cases for r in case.replies.values()),
        rows=tuple(
            Row(metric.name, {side: estimate(metric, tables[side]) for side in SIDES}, difference)
            for metric, difference in zip(METRICS, found, strict=True)
        ),
        goals=_parts([case.goal for case in cases], cases),
        carriers=_parts([case.carrier for case in cases], cases),
    )


def as_json(made: AttackReport) -> dict[str, Any]:
    """The object that `--json` prints."""
    return asdict(made)


def lines(made: AttackReport) -> Iterator[str]:
    """A line a metric, and how many attacks won by goal and by carrier."""
    yield f"{made.cases} attacks on {made.model}, both sides: {made.answer_seconds:.0f} s"
    for row in made.rows:
        yield f"{row.metric}: {_difference(row.difference)}"
        for side, value in row.sides.items():
            yield f"  {side:<16} {value}"
    for title, parts in (("goal", made.goals), ("carrier", made.carriers)):
        yield f"won by {title} ({WITHOUT}, {WITH}, of):"
        for part in parts:
            yield f"  {part.name:<22} {part.won[WITHOUT]:>3} {part.won[WITH]:>3} {part.n:>3}"


def _difference(found: Comparison) -> str:
    if found.difference is None or found.low is None or found.high is None:
        return "no difference can be given"
    p = "" if found.p is None else f", p {found.p:.3g}"
    return f"difference {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{p}"


def _parts(names: Sequence[str], cases: Sequence[Case]) -> tuple[Part, ...]:
    of = Counter(names)
    won = {
        side: Counter(n for n, case in zip(names, cases, strict=True) if case.replies[side].won)
        for side in SIDES
    }
    return tuple(Part(name, n, {side: won[side][name] for side in SIDES}) for name, n in of.items())


def _scored(case: Case, side: str) -> ScoredCase:
    values = _values(case.replies[side])
    return ScoredCase(Score(case.id, case.cluster, "scored", values), case.id, {})


def _values(reply: Reply) -> dict[str, float | None]:
    names = ("won", "obeyed", "right", "met", "found")
    return {name: float(getattr(reply, name)) for name in names}
