"""The cases that two runs share, side by side. Pure.

A case whose content differs between the runs is no pair: nothing may be read from its change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.stats.tables import Codes, Columns, Metric, column, encode, table, take, used
from evals.types import Score, ScoredCase


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns (n,) of both runs, row by row of the same case, and the cases' clusters."""

    baseline: Columns
    candidate: Columns
    codes: Codes
    only_baseline: int = 0
    only_candidate: int = 0
    changed: int = 0

    @property
    def n(self) -> int:
        return len(self.codes)

    @property
    def clusters(self) -> int:
        return int(self.codes.max()) + 1 if len(self.codes) else 0

    def used(self, metric: Metric) -> Pairs:
        """Those that have a part in the metric on either side."""
        keep = used(metric, self.baseline) | used(metric, self.candidate)
        codes = encode(self.codes[keep])
        return Pairs(take(self.baseline, keep), take(self.candidate, keep), codes)

    def differing(self, metric: Metric) -> NDArray[np.bool_]:
        """Which clusters hold a case that the metric reads differently on the two sides: (C,)."""
        differs = np.zeros(self.n, dtype=bool)
        for name in metric.reads:
            before, after = column(self.baseline, name), column(self.candidate, name)
            differs |= (before != after) & ~(np.isnan(before) & np.isnan(after))
        return np.bincount(self.codes, differs, minlength=self.clusters) > 0


def pair(baseline: Sequence[ScoredCase], candidate: Sequence[ScoredCase]) -> Pairs:
    """Pair by id and content. The clusters are the candidate's."""
    before = {item.score.id: item for item in baseline}
    after = {item.score.id: item for item in candidate}
    both = [key for key in before if key in after]
    same = [key for key in both if before[key].sha256 == after[key].sha256]
    names = _names([before[key].score for key in same] + [after[key].score for key in same])
    made = table([after[key].score for key in same])
    return Pairs(
        _whole(table([before[key].score for key in same]).columns, names, len(same)),
        _whole(made.columns, names, len(same)),
        made.clusters,
        only_baseline=len(before) - len(both),
        only_candidate=len(after) - len(both),
        changed=len(both) - len(same),
    )


def _names(scores: Sequence[Score]) -> list[str]:
    return sorted({name for score in scores for name in score.values})


def _whole(columns: Columns, names: Sequence[str], n: int) -> Columns:
    """The same with every name, so that both sides have the same columns."""
    missing: Mapping[str, NDArray[np.float64]] = {
        name: np.full(n, np.nan) for name in names if name not in columns
    }
    return {**columns, **missing}
