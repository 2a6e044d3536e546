"""The trust from which to answer, chosen on cases: how much is answered, and how much is wrong.

Pure. Selective prediction after El-Yaniv and Wiener (JMLR 2010): the risk is the share of wrong
answers among those given, the coverage the share of all cases that get one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from evals.stats.curves import counted
from evals.stats.intervals import effective_n
from evals.stats.tables import Codes, Floats

SURE = 0.95
FOLDS = 5
_ROUNDING = 1e-9
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Cases (n,) with no threshold in force. `trust` is NaN where no answer came anyway.

    `wrong` is 1 for a wrong answer, 0 for a right one. Cases of one cluster share a source.
    """

    trust: Floats
    wrong: Floats
    clusters: Codes

    def __len__(self) -> int:
        return len(self.trust)

    def take(self, rows: Mask) -> Judged:
        """Only the cases of a mask (n,)."""
        return Judged(self.trust[rows], self.wrong[rows], self.clusters[rows])

    def kept(self, trust: float) -> Mask:
        """Which cases are answered with this threshold: (n,)."""
        return np.asarray(self.trust >= trust)


@dataclass(frozen=True, slots=True)
class Point:
    """What a rule comes to: answers given, their share of all cases, the wrong ones among them.

    `risk` is None where nothing is answered; `risk_upper` is its one-sided 95 % bound.
    """

    answers: int
    coverage: float
    risk: float | None
    risk_upper: float


def point(cases: Judged, kept: Mask) -> Point:
    """The figures of the cases that a rule keeps. Raises ValueError without cases."""
    if not len(cases):
        raise ValueError("no case")
    answers = int(kept.sum())
    wrong = cases.wrong[kept]
    risk = float(wrong.mean()) if answers else None
    return Point(answers, answers / len(cases), risk, risk_bound(wrong, cases.clusters[kept]))


def choose(cases: Judged, target: float) -> float | None:
    """The lowest trust with a risk of at most `target` from there on: the largest coverage.

    By the point estimate, and never below the lowest trust seen. None if there is no such trust.
    """
    answered = ~np.isnan(cases.trust)
    threshold, kept, wrong = counted(cases.trust[answered], cases.wrong[answered])
    within = np.flatnonzero(wrong <= target * kept + _ROUNDING)
    return float(threshold[within[-1]]) if len(within) else None


def held_out(cases: Judged, target: float, folds: int = FOLDS, seed: int = 0) -> Mask | None:
    """Which cases are answered when each is judged by a trust chosen without its fold: (n,).

    Folds are of whole clusters; None where there are fewer than two clusters.
    """
    names, codes = np.unique(cases.clusters, return_inverse=True)
    if len(names) < 2:
        return None
    numbers = np.random.default_rng(seed).permutation(len(names)) % min(folds, len(names))
    fold = numbers[codes.reshape(-1)]
    kept = np.zeros(len(cases), dtype=bool)
    for number in np.unique(fold):
        mine = fold == number
        trust = choose(cases.take(~mine), target)
        if trust is not None:
            kept |= mine & cases.kept(trust)
    return kept


def curve(cases: Judged, steps: int = 10) -> list[float]:
    """Thresholds, descending, for about each 1/`steps` of all cases answered; the last is all."""
    answered = ~np.isnan(cases.trust)
    threshold, kept, _ = counted(cases.trust[answered], cases.wrong[answered])
    goals = len(cases) * np.arange(1, steps + 1) / steps
    places = np.searchsorted(kept, goals + _ROUNDING, "right") - 1
    last = {len(kept) - 1} if len(kept) else set()
    return [float(threshold[i]) for i in sorted({int(i) for i in places if i >= 0} | last)]


def risk_bound(wrong: Floats, clusters: Codes) -> float:
    """One-sided 95 % upper bound of the share of ones (Clopper and Pearson, 1934).

    Where cases share clusters, with an effective n (Korn and Graubard, 1998). 1 without a case.
    """
    n = float(len(wrong))
    if not n:
        return 1.0
    sizes = np.bincount(np.unique(clusters, return_inverse=True)[1].reshape(-1))
    if len(sizes) < n:
        n = min(n, _effective(wrong, clusters, sizes))
    return upper(float(wrong.mean()) * n, n)


def upper(failures: float, n: float) -> float:
    """Clopper and Pearson's bound, sure to 95 % on its one side; n may be an effective one."""
    if failures >= n:
        return 1.0
    return float(betaincinv(failures + 1, n - failures, SURE))


def enough(target: float) -> int:
    """How many answers, all right, it takes before the bound is at most `target` (over 0)."""
    return math.ceil(math.log(1 - SURE) / math.log1p(-target)) if target < 1 else 1


def _effective(wrong: Floats, clusters: Codes, sizes: NDArray[np.intp]) -> float:
    """The n of independent cases that bound the share as well as these do."""
    n, share, groups = len(wrong), float(wrong.mean()), len(sizes)
    worst = n**2 / float(np.sum(sizes.astype(np.float64) ** 2))
    if groups < 2:
        return worst
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    spread = np.bincount(codes, wrong - share) / n
    variance = groups / (groups - 1) * float(np.sum(spread**2))
    return effective_n(share, variance, groups - 1, worst)
