"""The objectives judged by the audit log: what is left of each budget, and which alerts fire. Pure.

The same objectives and burn rates as in the rules for Prometheus; the windows are exact here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ui.operations.objectives import FIRST_SHOWN_S, LEAST_EVENTS, OBJECTIVES, Burn, Objective
from ui.operations.rows import Row

MONTH_S = 30 * 86_400
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
# Not the service's doing, by the class of the error.
_NOT_OURS = frozenset({"PromptTooLong", "GeneratorExit"})
_ENDED = frozenset({"answered", "abstained", "blocked", "left"})
NO_ROOM = frozenset({"too_many_requests", "busy", "warming", "draining"})


@dataclass(frozen=True, slots=True)
class Events:
    """How many there were, and how many of them bad."""

    bad: int = 0
    all: int = 0

    @property
    def share(self) -> float:
        return self.bad / self.all if self.all else 0.0


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires now: how severe, the share of bad events, and over how long."""

    severity: str
    share: float
    window: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One objective over the last 30 days, and the gravest alert on it."""

    objective: Objective
    month: Events
    firing: Firing | None

    @property
    def left(self) -> float | None:
        """The part of the month's budget that is left; below 0 it is overdrawn. None: no events."""
        if not self.month.all:
            return None
        return 1 - self.month.share / self.objective.budget


def standings(rows: Sequence[Row], now: float) -> tuple[Standing, ...]:
    """Every objective, in their order. `rows` are in the order of time."""
    return tuple(_standing(objective, rows, now) for objective in OBJECTIVES)


def seconds(window: str) -> int:
    """A window of Prometheus in seconds: "6h" is 21600."""
    return int(window[:-1]) * _UNITS[window[-1]]


def _standing(objective: Objective, rows: Sequence[Row], now: float) -> Standing:
    events = [JUDGES[objective.name](row) for row in rows]
    bad = [0, *accumulate(item.bad for item in events)]
    every = [0, *accumulate(item.all for item in events)]

    def within(length: float) -> Events:
        start = bisect_left(rows, now - length, key=lambda row: row.at)
        return Events(bad[-1] - bad[start], every[-1] - every[start])

    fires = (_fires(objective, burn, within) for burn in objective.burns)
    return Standing(objective, within(MONTH_S), next(filter(None, fires), None))


def _fires(objective: Objective, burn: Burn, within: Callable[[float], Events]) -> Firing | None:
    """Both windows burn, and there were enough events. Burns are listed from the gravest."""
    long, short = within(seconds(burn.long)), within(seconds(burn.short))
    most = burn.factor * objective.budget
    burns = long.share > most and short.share > most and long.all >= LEAST_EVENTS
    return Firing(burn.severity, long.share, burn.long) if burns else None


def _availability(row: Row) -> Events:
    if row.kind == "failed":
        return Events() if row.cause in _NOT_OURS else Events(1, 1)
    return Events(0, int(row.kind in _ENDED))


def _first_shown(row: Row) -> Events:
    shown = row.first_shown_ms
    return Events() if shown is None else Events(int(shown > 1000 * float(FIRST_SHOWN_S)), 1)


def _support(row: Row) -> Events:
    bad = row.unsupported + row.withheld
    return Events(bad, bad + row.supported)


def _safety(row: Row) -> Events:
    blocked_by_a_fault = row.kind == "blocked" and row.cause == "filter"
    return Events(int(blocked_by_a_fault), int(row.kind in _ENDED))


def _room(row: Row) -> Events:
    if row.kind == "refused":
        full = row.why in NO_ROOM
        return Events(row.times, row.times) if full else Events()
    return Events(0, _availability(row).all)


JUDGES: Mapping[str, Callable[[Row], Events]] = {
    "availability": _availability,
    "first_shown": _first_shown,
    "support": _support,
    "safety": _safety,
    "room": _room,
}
