"""Two runs of one suite, case by case: which turned, worst first, and what differs in what ran.

Only cases of the same id and content are compared. Says nothing about chance: that is the gate's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from evals.errors import RunError
from evals.report.outline import gist, outline
from evals.report.standing import Standing, standing
from evals.rundir import Run
from evals.types import Case, Json, Outcome, Pins, RunInfo, ScoredCase

_PINS = {
    "model": "model",
    "template": "prompt template",
    "index": "index",
    "policy": "policy",
    "code": "code",
}
_TINY = 1e-9
_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Side:
    """What one run made of a case: how it stands, and its outcome in a few lines."""

    word: str
    value: float
    outline: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turned:
    """A case that stands otherwise in B than in A. `change` is B - A, negative when worse."""

    id: str
    gist: str
    change: float
    a: Side
    b: Side


@dataclass(frozen=True, slots=True)
class Counts:
    """How many paired cases turned. `other_outcome` of the same differ in outcome all the same."""

    better: int
    worse: int
    same: int
    other_outcome: int
    only_a: int
    only_b: int
    content_changed: int


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Two runs compared. `differences` says in words what differs in what was run.

    `turned` has the worse cases, worst first, then the better ones, best first: at most `top`, and
    where that leaves some out, half of each kind.
    """

    suite: str
    a: str
    b: str
    counts: Counts
    differences: tuple[str, ...]
    turned: tuple[Turned, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    id: str
    a: Standing
    b: Standing

    @property
    def change(self) -> float:
        return 0.0 if self.a.value == self.b.value else self.b.value - self.a.value

    @property
    def order(self) -> tuple[bool, float, float, str]:
        """Worse before better, each by size; of equals the surer wrong one first."""
        return self.change > 0, -abs(self.change), self.b.margin, self.id


def diff_runs(a: Run, b: Run, top: int = 20) -> RunDiff:
    """Compare B with A. Raises RunError if they are of different suites or can't be read."""
    suite = a.info.pins.suite
    if b.info.pins.suite != suite:
        raise RunError(b.path, f"is of suite {b.info.pins.suite}, the other of {suite}")
    before, after = _by_id(a.scores()), _by_id(b.scores())
    common = [name for name in before if name in after]
    paired = [name for name in common if before[name].sha256 == after[name].sha256]
    pairs = [_pair(suite, before[name], after[name]) for name in paired]
    turned = sorted((p for p in pairs if abs(p.change) > _TINY), key=lambda pair: pair.order)
    still = {p.id for p in pairs} - {p.id for p in turned}
    counts = Counts(
        better=sum(p.change > 0 for p in turned),
        worse=sum(p.change < 0 for p in turned),
        same=len(still),
        other_outcome=_other_outcomes(a, b, still),
        only_a=len(before) - len(common),
        only_b=len(after) - len(common),
        content_changed=len(common) - len(paired),
    )
    shown = _side_by_side(a, b, _first(turned, counts.worse, top))
    return RunDiff(suite, a.path.name, b.path.name, counts, _differences(a.info, b.info), shown)


def render(diff: RunDiff) -> Iterator[str]:
    """The comparison as lines for a terminal. Texts of cases come without control characters."""
    counts = diff.counts
    yield f"{diff.suite}: A is {diff.a}, B is {diff.b}"
    yield f"  {counts.worse} worse, {counts.better} better, {counts.same} the same" + (
        f" ({counts.other_outcome} of them with another outcome)" if counts.other_outcome else ""
    )
    left_out = [
        f"{counts.only_a} only in A" * bool(counts.only_a),
        f"{counts.only_b} only in B" * bool(counts.only_b),
        f"{counts.content_changed} of changed content" * bool(counts.content_changed),
    ]
    if any(left_out):
        yield f"  not compared: {', '.join(part for part in left_out if part)}"
    yield "What differs between the runs:" if diff.differences else "Both ran the same thing."
    yield from (f"  {_plain(line)}" for line in diff.differences)
    for number, item in enumerate(diff.turned, start=1):
        yield from _lines(number, item)
    hidden = counts.worse + counts.better - len(diff.turned)
    if hidden > 0:
        yield f"... {hidden} more turned"


def as_json(diff: RunDiff) -> dict[str, Any]:
    """The comparison as JSON. The value of a failed case, and a change from or to it, is null."""
    found: dict[str, Any] = _finite(asdict(diff))
    return found


def _first(turned: Sequence[_Pair], worse: int, top: int) -> Sequence[_Pair]:
    """The first of the `worse` ones and of the better ones after them, `top` at most."""
    top = max(0, top)
    gained = min(len(turned) - worse, max(top // 2, top - worse))
    return [*turned[: min(worse, top - gained)], *turned[worse : worse + gained]]


def _by_id(scores: Iterable[ScoredCase]) -> dict[str, ScoredCase]:
    return {item.score.id: item for item in scores}


def _pair(suite: str, a: ScoredCase, b: ScoredCase) -> _Pair:
    return _Pair(a.score.id, standing(suite, a.score), standing(suite, b.score))


def _other_outcomes(a: Run, b: Run, ids: set[str]) -> int:
    before, after = _digests(a, ids), _digests(b, ids)
    return sum(before[name] != after.get(name) for name in before)


def _digests(run: Run, ids: set[str]) -> dict[str, bytes]:
    """A hash of what was done with each case, times aside."""
    return {case.id: _digest(outcome) for case, outcome in run.rows() if case.id in ids}


def _digest(outcome: Outcome) -> bytes:
    data = {name: value for name, value in outcome.data.items() if name != "timings_ms"}
    text = json.dumps([data, outcome.reason], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()[:16]


def _side_by_side(a: Run, b: Run, pairs: Sequence[_Pair]) -> tuple[Turned, ...]:
    suite, ids = a.info.pins.suite, {pair.id for pair in pairs}
    before, after = _rows(a, ids), _rows(b, ids)
    return tuple(
        Turned(
            pair.id,
            gist(suite, before[pair.id][0].row),
            pair.change,
            _side(suite, pair.a, *before[pair.id]),
            _side(suite, pair.b, *after[pair.id]),
        )
        for pair in pairs
        if pair.id in before and pair.id in after
    )


def _rows(run: Run, ids: set[str]) -> dict[str, tuple[Case, Outcome]]:
    return {case.id: (case, outcome) for case, outcome in run.rows() if case.id in ids}


def _side(suite: str, place: Standing, case: Case, outcome: Outcome) -> Side:
    return Side(place.word, place.value, tuple(outline(suite, case.row, outcome)))


def _differences(a: RunInfo, b: RunInfo) -> tuple[str, ...]:
    return (
        *_pins(a.pins, b.pins),
        *_settings(a.settings, b.settings),
        *(["the case files"] if a.sources != b.sources else []),
        *([f"how many cases were chosen: {a.n} -> {b.n}"] if a.n != b.n else []),
        *([f"the seed: {a.seed} -> {b.seed}"] if a.seed != b.seed else []),
    )


def _pins(a: Pins, b: Pins) -> Iterator[str]:
    for field in fields(Pins):
        before, after = getattr(a, field.name), getattr(b, field.name)
        if before != after:
            name = _PINS.get(field.name, field.name)
            yield f"the {name}: {before or '(none)'} -> {after or '(none)'}"


def _settings(a: Json, b: Json) -> Iterator[str]:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            yield f"setting {name}: {a.get(name, '(none)')} -> {b.get(name, '(none)')}"


def _lines(number: int, item: Turned) -> Iterator[str]:
    sign = "better" if item.change > 0 else "worse"
    yield ""
    yield f"{number}. {sign}: {_plain(item.a.word)} -> {_plain(item.b.word)}   [{_plain(item.id)}]"
    yield f"   {_plain(item.gist)}"
    for name, side in (("A", item.a), ("B", item.b)):
        for place, line in enumerate(side.outline):
            yield f"   {name if place == 0 else ' '}  {_plain(line)}"


def _plain(text: str) -> str:
    """One line that a terminal can't take for a command, cut to a width one reads."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= _WIDTH else f"{flat[:_WIDTH]}… {len(flat) - _WIDTH} more characters"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
