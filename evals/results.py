"""What a run comes to: the object that `surefoot eval --json` prints. Pure, and holds no times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.metrics import Table, estimate, table
from evals.seen import FIELD
from evals.types import Estimate, ScoredCase

if TYPE_CHECKING:
    from evals.suites.base import Suite

UNSCORED_LISTED = 100
# Of very many cases fewer resamples say as much, and 2,000 of 100,000 take minutes.
RESAMPLES, LEAST_RESAMPLES, WORK = 2000, 400, 40_000_000
WITHOUT = "(none)"


def results_of(suite: Suite, scored: Sequence[ScoredCase], slices: Sequence[str]) -> dict[str, Any]:
    """`metrics` with intervals, `failed` cases, and metrics by value of each sliced field.

    `seen_in_training` cases are those that the shipped weights were trained on.
    """
    failed = [item.score for item in scored if item.score.status == "unscored"]
    found: dict[str, Any] = {
        "suite": suite.name,
        "n": len(scored),
        "metrics": _metrics(suite, scored),
        "failed": len(failed),
        "abstained": sum(item.score.status == "abstained" for item in scored),
        "seen_in_training": sum(item.slices.get(FIELD) == "yes" for item in scored),
        "unscored": [{"id": s.id, "reason": s.reason} for s in failed[:UNSCORED_LISTED]],
    }
    if slices:
        found["slices"] = {field: _sliced(suite, scored, field) for field in slices}
    return found


def estimate_json(found: Estimate) -> dict[str, Any]:
    return {
        "value": _rounded(found.value),
        "low": _rounded(found.low),
        "high": _rounded(found.high),
        "n": found.n,
        "method": found.method,
    }


def _metrics(suite: Suite, scored: Sequence[ScoredCase]) -> dict[str, Any]:
    rows: Table = table([item.score for item in scored])
    resamples = min(RESAMPLES, max(LEAST_RESAMPLES, WORK // max(1, len(rows))))
    return {
        m.name: estimate_json(estimate(m, rows, resamples=resamples)) for m in suite.metrics(rows)
    }


def _sliced(suite: Suite, scored: Sequence[ScoredCase], field: str) -> dict[str, Any]:
    """A case without the field stands under WITHOUT."""
    groups: defaultdict[str, list[ScoredCase]] = defaultdict(list)
    for item in scored:
        groups[item.slices.get(field, WITHOUT)].append(item)
    return {value: _metrics(suite, groups[value]) for value in sorted(groups)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
