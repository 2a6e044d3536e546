"""The headline metrics by slice: those that the run has, and fields with a handful of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.metrics import Metric, estimate, table
from evals.report.facts import Row, estimate_of, row
from evals.results import WITHOUT
from evals.rundir import Run
from evals.types import Estimate, ScoredCase

_FEWEST, _MOST, _FIELDS, _SHOWN = 2, 12, 8, 40
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Slice:
    """One value of a field, how many cases have it, and its figures in the order of the metrics."""

    value: str
    cases: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class SliceTable:
    """All slices by one field; `left_out` values are not shown."""

    field: str
    slices: tuple[Slice, ...]
    left_out: int = 0


def slice_tables(
    run: Run, metrics: Sequence[Metric], scores: Sequence[ScoredCase]
) -> list[SliceTable]:
    """The slices asked for come first, then fields that happen to have few values."""
    heads = [metric for metric in metrics if metric.headline]
    groups = _by_field(scores)
    asked = run.results.get("slices") or {}
    found = [_asked(run, field, asked[field], heads, groups.get(field, {})) for field in asked]
    room = max(0, _FIELDS - len(found))
    new = [field for field in sorted(groups) if field not in asked]
    chosen = [field for field in new if _FEWEST <= len(groups[field]) <= _MOST][:room]
    return found + [_estimated(run, field, heads, groups[field]) for field in chosen]


def _asked(
    run: Run,
    field: str,
    values: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[Metric],
    groups: Mapping[str, Sequence[ScoredCase]],
) -> SliceTable:
    names = sorted(values, key=lambda value: (-len(groups.get(value, ())), value))
    slices = [
        Slice(
            value,
            len(groups.get(value, ())),
            _rows(run, metrics, [estimate_of(values[value].get(m.name)) for m in metrics]),
        )
        for value in names[:_SHOWN]
    ]
    return SliceTable(field, tuple(slices), max(0, len(names) - _SHOWN))


def _estimated(
    run: Run, field: str, metrics: Sequence[Metric], groups: Mapping[str, Sequence[ScoredCase]]
) -> SliceTable:
    names = sorted(groups, key=lambda value: (-len(groups[value]), value))
    return SliceTable(field, tuple(_slice(run, value, metrics, groups[value]) for value in names))


def _slice(run: Run, value: str, metrics: Sequence[Metric], scores: Sequence[ScoredCase]) -> Slice:
    columns = table([item.score for item in scores])
    found = [estimate(m, columns, seed=run.info.seed, resamples=_RESAMPLES) for m in metrics]
    return Slice(value, len(scores), _rows(run, metrics, found))


def _rows(run: Run, metrics: Sequence[Metric], found: Sequence[Estimate]) -> tuple[Row, ...]:
    suite = run.info.pins.suite
    return tuple(row(suite, metric, one) for metric, one in zip(metrics, found, strict=True))


def _by_field(scores: Sequence[ScoredCase]) -> dict[str, dict[str, list[ScoredCase]]]:
    """Every case in each field, so that the slices of a field add up to all cases."""
    groups: dict[str, dict[str, list[ScoredCase]]] = {}
    for field in {field for item in scores for field in item.slices}:
        values = groups[field] = {}
        for item in scores:
            values.setdefault(item.slices.get(field, WITHOUT), []).append(item)
    return groups
