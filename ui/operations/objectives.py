"""What the service promises, as shares of events that may be bad, and when to say that it fails.

Windows and factors are those of the Google SRE workbook, chapter "Alerting on SLOs": a factor of
14.4 uses up 2 % of a month's budget in an hour, 6 uses 5 % in six hours, 1 all of it in a month.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag.telemetry.labels import LOAD
from rag.telemetry.measures import NOT_OURS

WINDOW = "WINDOW"
# Fewer events than these in the long window wake nobody: one of three is no rate.
LEAST_EVENTS = 20
# An edge of the histogram's buckets.
FIRST_SHOWN_S = "10.0"


@dataclass(frozen=True, slots=True)
class Burn:
    """Fires where the budget burns `factor` times too fast, over a long and a short window."""

    severity: str
    factor: float
    long: str
    short: str


BURNS = (
    Burn("page", 14.4, "1h", "5m"),
    Burn("page", 6.0, "6h", "30m"),
    Burn("ticket", 3.0, "1d", "2h"),
    Burn("ticket", 1.0, "3d", "6h"),
)
# Where a fifth may be bad, more than five times that can't be.
WIDE_BURNS = (
    Burn("page", 4.0, "1h", "5m"),
    Burn("page", 3.0, "6h", "30m"),
    Burn("ticket", 2.0, "1d", "2h"),
    Burn("ticket", 1.0, "3d", "6h"),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """`bad` and `events` are rates, as PromQL with WINDOW for the window's length."""

    name: str
    alert: str
    title: str
    budget: float
    bad: str
    events: str
    burns: tuple[Burn, ...] = BURNS


def _rate(metric: str, *matchers: str) -> str:
    """The summed rate of what readers got; a shadow's answers reach none."""
    inside = ",".join(('role!="shadow"', *matchers))
    return f"sum(rate({metric}{{{inside}}}[{WINDOW}]))"


_OURS = f'cause!~"{"|".join(NOT_OURS)}"'
_FAILED = _rate("surefoot_failures_total", _OURS)
_ASKED = f"({_rate('surefoot_answers_total')} + {_FAILED})"
_SHOWN = "surefoot_time_to_first_shown_seconds"
_IN_TIME = f'le="{FIRST_SHOWN_S}"'
_TURNED_AWAY = f'sum(rate(surefoot_refusals_total{{why=~"{"|".join(LOAD)}"}}[{WINDOW}]))'

OBJECTIVES = (
    Objective(
        "availability",
        "SurefootFailures",
        "Questions end in an answer (99.5 %)",
        0.005,
        _FAILED,
        _ASKED,
    ),
    Objective(
        "first_shown",
        "SurefootSlow",
        "The first sentence shows within 10 s (95 %)",
        0.05,
        f"({_rate(f'{_SHOWN}_count')} - {_rate(f'{_SHOWN}_bucket', _IN_TIME)})",
        _rate(f"{_SHOWN}_count"),
    ),
    Objective(
        "support",
        "SurefootUnsupported",
        "What the model says is supported by the passages (80 %)",
        0.2,
        _rate("surefoot_sentences_total", 'fate!="supported"'),
        _rate("surefoot_sentences_total"),
        WIDE_BURNS,
    ),
    Objective(
        "safety",
        "SurefootFilterErrors",
        "Safety filters do their work (99.9 %)",
        0.001,
        _rate("surefoot_filter_errors_total"),
        _rate("surefoot_answers_total"),
    ),
    Objective(
        "room",
        "SurefootRefusals",
        "Nobody is turned away for want of room (99 %)",
        0.01,
        _TURNED_AWAY,
        f"({_ASKED} + {_TURNED_AWAY})",
    ),
)
