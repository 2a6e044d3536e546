"""Which alerts of the rules for Prometheus would fire now, judged by what is on this machine. Pure.

`SurefootDown` and `SurefootBlind` are about a server, which says so itself or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rag.releases.rows import Event
from rag.telemetry.memory import Memory
from ui.operations.budgets import Standing
from ui.operations.rules import LEAST_MEMORY

DAY_S = 86_400
WINDOWS = {"1h": "hour", "6h": "6 hours", "1d": "day", "3d": "3 days"}


@dataclass(frozen=True, slots=True)
class Alert:
    """`severity` is "page" for what can't wait, or "ticket"."""

    severity: str
    words: str


def firing(
    objectives: Iterable[Standing], memory: Iterable[Memory], events: Sequence[Event], now: float
) -> tuple[Alert, ...]:
    """The alerts, the gravest first."""
    found = [*_burning(objectives), *_short(memory), *_taken_back(events, now)]
    return tuple(sorted(found, key=lambda alert: alert.severity != "page"))


def _burning(objectives: Iterable[Standing]) -> Iterator[Alert]:
    for item in objectives:
        if item.firing is not None:
            share, window = item.firing.share, item.firing.window
            missed = f"{100 * share:.1f} % missed it in the last {WINDOWS[window]}."
            yield Alert(item.firing.severity, f"Not kept: {item.objective.title}. {missed}")


def _short(memory: Iterable[Memory]) -> Iterator[Alert]:
    for item in memory:
        if item.available < LEAST_MEMORY * item.limit:
            yield Alert("page", f"Less than a tenth of the {item.store} memory is left.")


def _taken_back(events: Sequence[Event], now: float) -> Iterator[Alert]:
    for event in events:
        recent = now - datetime.fromisoformat(event.at).timestamp() < DAY_S
        if event.kind == "rolled back" and recent:
            why = f": {event.why}" if event.why else ""
            yield Alert("ticket", f"The variant {event.variant} was taken back{why}.")
