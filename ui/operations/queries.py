"""Panels of the dashboard, and PromQL in few words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MINE = 'variant=~"$variant"'
SPAN = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and the legend of its lines."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `unit` is Grafana's name of it; `text` says what to look for."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    text: str = ""
    stacked: bool = False


def rate(metric: str, by: str = "", *matchers: str) -> str:
    """The rate of a counter, summed, by some labels."""
    inside = ",".join((MINE, *matchers))
    return f"sum{_by(by)} (rate({metric}{{{inside}}}[{SPAN}]))"


def mean(metric: str, by: str = "") -> str:
    """The mean of what a histogram holds."""
    return f"{rate(f'{metric}_sum', by)} / {rate(f'{metric}_count', by)}"


def quantile(share: float, metric: str, by: str = "", *matchers: str) -> str:
    """A quantile of what a histogram holds."""
    labels = ", ".join(("le", by) if by else ("le",))
    return f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', labels, *matchers)})"


def spread(metric: str, *matchers: str) -> tuple[Query, ...]:
    """The median and the slowest twentieth."""
    return (
        Query(quantile(0.5, metric, "", *matchers), "half"),
        Query(quantile(0.95, metric, "", *matchers), "95 %"),
    )


def whole(metric: str, by: str) -> str:
    """The rate of a counter that has no variant, by a label."""
    return f"sum by ({by}) (rate({metric}[{SPAN}]))"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
