"""Rows of the audit log as figures, series and days: what the operations page draws. Pure.

Times are Unix seconds; `offset` is that of the reader's clock to UTC, in seconds, so that a day is
the reader's day.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from rag.config import TelemetryConfig
from rag.telemetry.measures import cost
from ui.operations.rows import Found, Row

ENDS = ("answered", "abstained", "blocked")
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Span:
    """How far back to look, in slots of so many seconds, and how a slot's begin is written."""

    name: str
    slots: int
    slot_s: int
    form: str


SPANS = (
    Span("Hour", 30, 120, "%H:%M"),
    Span("Day", 24, 3600, "%H:%M"),
    Span("Week", 28, 21_600, "%a %H:%M"),
    Span("Month", 30, DAY_S, "%d %b"),
)


@dataclass(frozen=True, slots=True)
class Slot:
    """The rows of one slot of time."""

    begin: float
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of n times in seconds: half are within `half`, 95 % within `most` (nearest rank)."""

    n: int
    half: float
    most: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and seconds of so many answers. `price` is in the configured currency."""

    answers: int
    prompt: int
    cached: int
    completion: int
    seconds: float
    price: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A span in figures. `speed` is tokens a second while the model writes and is checked."""

    asked: int
    kinds: Counter[str]
    first: Spread | None
    whole: Spread | None
    speed: float | None
    spent: Spent
    withheld: int
    claims: int

    @property
    def ended(self) -> int:
        """Questions with an answer, an honest "I don't know" or a refusal of harm."""
        return sum(self.kinds[kind] for kind in ENDS)


def slots(rows: Sequence[Row], span: Span, now: float, offset: int = 0) -> tuple[Slot, ...]:
    """The slots up to the one that `now` is in, the oldest first. `rows` are in order of time."""
    width = span.slot_s
    end = (math.floor((now + offset) / width) + 1) * width - offset
    edges = [float(end - width * left) for left in range(span.slots, -1, -1)]
    cuts = [bisect_left(rows, edge, key=lambda row: row.at) for edge in edges]
    return tuple(Slot(edges[i], tuple(rows[cuts[i] : cuts[i + 1]])) for i in range(span.slots))


def inside(found: Iterable[Slot]) -> tuple[Row, ...]:
    """All rows of some slots."""
    return tuple(row for slot in found for row in slot.rows)


def clock(at: float, form: str, offset: int = 0) -> str:
    """A moment on the reader's clock."""
    zone = timezone(timedelta(seconds=offset)) if offset else UTC
    return datetime.fromtimestamp(at, zone).strftime(form)


def summary(rows: Sequence[Row], prices: TelemetryConfig) -> Summary:
    """The figures of some rows."""
    kinds = Counter(row.kind for row in rows)
    return Summary(
        asked=sum(row.asked for row in rows),
        kinds=kinds,
        first=spread(row.first_shown_ms for row in rows),
        whole=spread(row.ms for row in rows if row.kind in ENDS),
        speed=_speed(rows),
        spent=spent(rows, prices),
        withheld=sum(row.withheld for row in rows),
        claims=sum(row.supported + row.unsupported + row.withheld for row in rows),
    )


def spread(times_ms: Iterable[float | None]) -> Spread | None:
    """The spread of those that are known; None without any."""
    known = sorted(ms / 1000 for ms in times_ms if ms is not None)
    if not known:
        return None
    return Spread(len(known), _rank(known, 0.5), _rank(known, 0.95))


def spent(rows: Sequence[Row], prices: TelemetryConfig) -> Spent:
    """What some answers cost. One out of the cache costs nothing, and counts."""
    prompt, completion = sum(row.prompt for row in rows), sum(row.completion for row in rows)
    return Spent(
        answers=sum(row.kind in (*ENDS, "cached") for row in rows),
        prompt=prompt,
        cached=sum(row.cached for row in rows),
        completion=completion,
        seconds=sum(row.ms or 0.0 for row in rows) / 1000,
        price=cost(prompt, completion, prices.price_prompt, prices.price_completion),
    )


def days(
    rows: Sequence[Row], prices: TelemetryConfig, now: float, offset: int = 0, most: int = 7
) -> tuple[tuple[float, Spent], ...]:
    """What each of the last days cost that had a question, the latest first."""
    week = slots(rows, Span("", most, DAY_S, ""), now, offset)
    return tuple((slot.begin, spent(slot.rows, prices)) for slot in reversed(week) if slot.rows)


def findings(rows: Iterable[Row]) -> tuple[Found, ...]:
    """What the guard found, summed by stage, label and action; the most frequent first."""
    total: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        for item in row.findings:
            total[item.stage, item.label, item.action] += item.n
    ordered = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Found(*key, n) for key, n in ordered)


def reasons(rows: Iterable[Row]) -> tuple[tuple[str, str, int], ...]:
    """Why questions had no answer, as (how it ended, the cause's class, how often)."""
    total: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.kind in ("abstained", "blocked", "failed", "refused"):
            total[row.kind, row.why or row.cause] += row.times
    ordered = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((kind, cause, n) for (kind, cause), n in ordered)


def _speed(rows: Sequence[Row]) -> float | None:
    """Tokens over the time they took, so that a long answer weighs as it lasted."""
    timed = [(row.completion - 1, row.token_ms) for row in rows if row.completion > 1]
    written = sum(count for count, ms in timed if ms is not None)
    took = sum(count * ms for count, ms in timed if ms is not None)
    return 1000 * written / took if took else None


def _rank(known: Sequence[float], share: float) -> float:
    return known[max(0, math.ceil(share * len(known)) - 1)]
