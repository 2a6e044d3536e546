"""What a canary may not do, and the verdict on the counts of a trial. Pure but for `read_gates`.

A rollback needs evidence against one gate, a promotion evidence for all. Both may be asked for
after every request: see rag/releases/sequential.py.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from rag.checked import require
from rag.errors import ConfigError
from rag.releases.sequential import log_evidence, lower, upper

GateName = Literal["errors", "slow", "unsupported", "unsafe", "abstained"]
Decision = Literal["wait", "rollback", "promote"]
# Of a logarithm that a float can still be the power of.
LARGEST = 700.0
NAMES: tuple[GateName, ...] = ("errors", "slow", "unsupported", "unsafe", "abstained")


@dataclass(frozen=True, slots=True)
class Gate:
    """Bounds on how many of the canary's conversations may go wrong in one way, as rates.

    Over `limit` it is rolled back whatever the baseline does (1: never for that); it is promoted
    only if its rate can't be more than `margin` above the baseline's.
    """

    limit: float = 1.0
    margin: float = 0.1


@dataclass(frozen=True, slots=True)
class Gates:
    """The rules of a trial. `alpha` bounds the probability of each wrong verdict, over all looks.

    `least` conversations must meet the canary before a promotion, which is carried out without a
    person if `auto_promote`. An answer is slow whose first sentence comes after `slow_ms`.
    """

    alpha: float = 0.05
    least: int = 200
    slow_ms: float = 10_000.0
    auto_promote: bool = False
    errors: Gate = field(default_factory=lambda: Gate(0.02, 0.05))
    slow: Gate = field(default_factory=Gate)
    unsupported: Gate = field(default_factory=Gate)
    unsafe: Gate = field(default_factory=lambda: Gate(0.25, 0.1))
    abstained: Gate = field(default_factory=lambda: Gate(1.0, 0.15))

    def __post_init__(self) -> None:
        require(0 < self.alpha < 1, "alpha", "must be over 0, under 1")
        require(self.least >= 1, "least", "must be at least 1")
        require(self.slow_ms > 0, "slow_ms", "must be more than 0")
        for name in NAMES:
            gate = self.gate(name)
            require(0 < gate.limit <= 1, f"{name}.limit", "must be over 0, up to 1")
            require(0 < gate.margin <= 1, f"{name}.margin", "must be over 0, up to 1")

    def gate(self, name: GateName) -> Gate:
        found = getattr(self, name)
        assert isinstance(found, Gate)
        return found

    @property
    def tests(self) -> int:
        """How many ways there are to be rolled back; each has an equal part of `alpha`."""
        return len(NAMES) + sum(1 for name in NAMES if self.gate(name).limit < 1)


@dataclass(frozen=True, slots=True)
class Tally:
    """One arm of a trial. A conversation counts once, and once for each way of going wrong."""

    conversations: int = 0
    requests: int = 0
    hits: Mapping[GateName, int] = field(default_factory=dict)

    def rate(self, name: GateName) -> float | None:
        return self.hits.get(name, 0) / self.conversations if self.conversations else None


@dataclass(frozen=True, slots=True)
class Figure:
    """What the counts say of one gate.

    `worse` is the evidence against the canary beside the baseline, `over` that against its limit:
    1 says nothing, `needed` rolls it back. Its rate is at most `above` over the baseline's, and for
    a promotion that may be `margin`.
    """

    gate: GateName
    canary: int
    of_canary: int
    baseline: int
    of_baseline: int
    worse: float
    over: float
    needed: float
    limit: float
    above: float
    margin: float

    @property
    def broken(self) -> str:
        """Why the canary must go, or "": worse than the baseline, or over the limit."""
        counts = f"{self.canary} of {self.of_canary} conversations"
        if self.over >= self.needed:
            return f"{self.gate}: {counts}, over the limit of {self.limit:.0%}"
        if self.worse >= self.needed:
            beside = f"{self.baseline} of {self.of_baseline} with the baseline"
            return f"{self.gate}: {counts}, {beside}"
        return ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the canary now, and why."""

    decision: Decision
    why: str
    figures: tuple[Figure, ...]


def judge(canary: Tally, baseline: Tally, share: float, gates: Gates) -> Verdict:
    """The verdict on the counts so far. `share` is the canary's part of the conversations."""
    figures = tuple(_figure(name, canary, baseline, share, gates) for name in NAMES)
    broken = [item.broken for item in figures if item.broken]
    if broken:
        return Verdict("rollback", "; ".join(broken), figures)
    if canary.conversations < gates.least:
        left = f"{canary.conversations} of at least {gates.least} conversations"
        return Verdict("wait", left, figures)
    open_ = [item.gate for item in figures if item.above > item.margin]
    if open_:
        return Verdict("wait", f"not yet shown to be as good: {', '.join(open_)}", figures)
    return Verdict("promote", "at most its margins worse than the baseline at every gate", figures)


def _figure(name: GateName, canary: Tally, baseline: Tally, share: float, gates: Gates) -> Figure:
    gate = gates.gate(name)
    (k1, n1), (k0, n0) = _counts(canary, name), _counts(baseline, name)
    # The difference is at most this unless one of the two sequences is wrong: half of alpha each.
    above = upper(k1, n1, gates.alpha / 2) - lower(k0, n0, gates.alpha / 2)
    return Figure(
        gate=name,
        canary=k1,
        of_canary=n1,
        baseline=k0,
        of_baseline=n0,
        worse=_evidence(k1, k0, share),
        over=_evidence(k1, n1 - k1, gate.limit),
        needed=gates.tests / gates.alpha,
        limit=gate.limit,
        above=above,
        margin=gate.margin,
    )


def _evidence(hits: int, others: int, share: float) -> float:
    """As odds to 1; nothing is over a share of all."""
    return 1.0 if share >= 1 else math.exp(min(log_evidence(hits, others, share), LARGEST))


def _counts(tally: Tally, name: GateName) -> tuple[int, int]:
    return tally.hits.get(name, 0), tally.conversations


def read_gates(path: Path) -> Gates:
    """The rules of a TOML file; what it does not name is as shipped. Raises ConfigError.

    alpha = 0.05
    [errors]
    limit = 0.1
    margin = 0.05
    """
    try:
        return gates_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error


def gates_of(table: Mapping[str, Any]) -> Gates:
    """The rules of a table as `asdict` makes it, or of a part of one. Raises ConfigError."""
    known = {item.name for item in fields(Gates)}
    if unknown := sorted(table.keys() - known):
        raise ConfigError(unknown[0], f"unknown; gates have {', '.join(sorted(known))}")
    shipped = Gates()
    values: dict[str, Any] = {}
    for name, value in table.items():
        before = getattr(shipped, name)
        values[name] = _gate(name, before, value) if isinstance(before, Gate) else value
        if not isinstance(before, Gate) and not _fits(value, before):
            raise ConfigError(name, f"{value!r} is not a {type(before).__name__}")
    return replace(shipped, **values)


def gates_json(gates: Gates) -> dict[str, Any]:
    return asdict(gates)


def _gate(name: str, before: Gate, value: Any) -> Gate:
    if not isinstance(value, dict) or value.keys() - {"limit", "margin"}:
        raise ConfigError(name, "must be a table of limit and margin")
    for key, number in value.items():
        if not _fits(number, 1.0):
            raise ConfigError(f"{name}.{key}", f"{number!r} is not a number")
    return replace(before, **value)


def _fits(value: Any, like: Any) -> bool:
    """Whether a value of TOML may stand where `like` does: a whole number for a fraction too."""
    if isinstance(like, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(like)
