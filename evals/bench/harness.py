"""Side-by-side timing: interleaved repeats, ratios round by round, and the machine they hold for.

The sides of a contest take turns, in an order that alternates, after one round that isn't counted:
whatever else the machine does falls on all of them alike. A ratio is the peer's time over ours in
the same round, so over 1 means that ours is faster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from evals.bench.machine import Machine, load_average, machine

Say = Callable[[str], None]

ENOUGH_ROUNDS = 3
UNEVEN = 2.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One run of one side: its time, and named figures (the same names in every run)."""

    seconds: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work. `run` does it once and measures only what is to be compared."""

    name: str
    version: str
    run: Callable[[], Measure]


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that isn't installed, and how to install it."""

    name: str
    install: str


@dataclass(frozen=True, slots=True)
class Contest:
    """Sides that do the same work, ours first. `compared` are times: "seconds", or of figures."""

    name: str
    what: str
    sides: tuple[Side, ...]
    compared: tuple[str, ...] = ("seconds",)
    missing: tuple[Missing, ...] = ()


Plan = Callable[[int, Path, Say], Sequence[Contest]]


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the most of what the rounds gave."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError if there are none."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True, slots=True)
class SideResult:
    """What one side took, in seconds, and its figures."""

    name: str
    version: str
    seconds: Spread
    figures: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A peer's time over ours, round by round. A `note` says why it must not be quoted as is."""

    peer: str
    of: str
    spread: Spread
    note: str = ""


@dataclass(frozen=True, slots=True)
class ContestResult:
    """All rounds of one contest."""

    name: str
    what: str
    sides: tuple[SideResult, ...]
    ratios: tuple[Ratio, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """A bench with all that is needed to judge it or give it again."""

    bench: str
    command: str
    size: int
    repeats: int
    machine: Machine
    load_before: float
    load_after: float
    contests: tuple[ContestResult, ...]

    @property
    def busy(self) -> bool:
        """True if something else ran on the machine when the bench began."""
        return self.load_before > 0.5 * self.machine.cores


def run_bench(name: str, plan: Plan, size: int, repeats: int, say: Say) -> BenchResult:
    """Plan and run a bench in a temporary folder, which is gone afterwards, also when stopped."""
    before = load_average()
    with tempfile.TemporaryDirectory(prefix="surefoot-bench-") as folder:
        contests = plan(size, Path(folder), say)
        results = tuple(run_contest(contest, repeats, say) for contest in contests)
    return BenchResult(
        bench=name,
        command=f"surefoot bench {name} --size {size} --repeats {repeats}",
        size=size,
        repeats=repeats,
        machine=machine(),
        load_before=before,
        load_after=load_average(),
        contests=results,
    )


def run_contest(contest: Contest, repeats: int, say: Say) -> ContestResult:
    """One round to warm up, then `repeats` that count."""
    rounds: list[dict[str, Measure]] = []
    for number in range(repeats + 1):
        counted = f"round {number} of {repeats}" if number else "warming up"
        measures = {}
        for side in contest.sides if number % 2 else reversed(contest.sides):
            say(f"{contest.name}: {counted}: {side.name}")
            measures[side.name] = side.run()
        rounds.append(measures)
    return summary(contest, rounds[1:])


def summary(contest: Contest, rounds: Sequence[Mapping[str, Measure]]) -> ContestResult:
    """What the counted rounds come to; each round holds a measure by the name of each side."""
    ours, *peers = contest.sides
    return ContestResult(
        name=contest.name,
        what=contest.what,
        sides=tuple(
            _side(side, [measures[side.name] for measures in rounds]) for side in contest.sides
        ),
        ratios=tuple(
            ratio(peer.name, of, [(m[ours.name], m[peer.name]) for m in rounds])
            for of in contest.compared
            for peer in peers
        ),
        missing=contest.missing,
    )


def ratio(peer: str, of: str, rounds: Sequence[tuple[Measure, Measure]]) -> Ratio:
    """The ratio of a time over rounds of (our measure, the peer's measure)."""
    values = [_time(theirs, of) / max(_time(ours, of), 1e-9) for ours, theirs in rounds]
    return Ratio(peer, of, Spread.of(values), _doubt(values))


def _doubt(ratios: Sequence[float]) -> str:
    low, high = min(ratios), max(ratios)
    if low < 1 < high:
        return "says nothing: which side is faster changes from round to round"
    if len(ratios) < ENOUGH_ROUNDS:
        return f"{len(ratios)} of at least {ENOUGH_ROUNDS} rounds: too few to say"
    if high > UNEVEN * low:
        return "uneven: only which side is faster can be said"
    return ""


def _time(measure: Measure, of: str) -> float:
    return measure.seconds if of == "seconds" else measure.figures[of]


def _side(side: Side, measures: Sequence[Measure]) -> SideResult:
    return SideResult(
        side.name,
        side.version,
        Spread.of([measure.seconds for measure in measures]),
        {
            name: Spread.of([measure.figures[name] for measure in measures])
            for name in measures[0].figures
        },
    )
