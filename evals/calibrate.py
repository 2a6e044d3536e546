"""`surefoot eval qa --calibrate`: the trust from which to answer, chosen on a user's own cases.

The cases are run with the gate open, so that every threshold can be tried on the same answers. The
figure at the chosen one flatters, since it was chosen there; the held-out one does not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.metrics import Columns, table
from evals.stats.calibration import Judged, Mask, Point, choose, curve, held_out, point
from evals.stats.tables import column
from evals.types import Score
from ingest.errors import SurefootError
from rag.calibrated import Calibration, basis_of, write_calibration
from rag.checked import require
from rag.config import Config

# Trust is written with four digits: what rounds to the chosen value shall pass.
HALF_DIGIT = 5e-5
DIGITS = 6
SUITE = "qa"


@dataclass(frozen=True, slots=True)
class Step:
    """What answering from this trust on comes to."""

    trust: float
    point: Point


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The choice, and what it costs. `chosen` is None where no trust keeps the risk down.

    `before` is what was in force, `held_out` what comes of choosing without the cases judged (None:
    all share one source). At the chosen trust, `abstain_recall` is the share of unanswerable
    questions met with silence, `answered_right` that of answerable ones answered rightly. `curve`
    goes down from the highest trust.
    """

    target_risk: float
    chosen: Step | None
    before: Step
    held_out: Point | None
    abstain_recall: float | None
    answered_right: float | None
    n: int
    curve: tuple[Step, ...]

    @property
    def promised(self) -> bool:
        """Whether the risk is below the target with 95 % certainty, not just on these cases."""
        return self.chosen is not None and self.chosen.point.risk_upper <= self.target_risk

    def json(self) -> dict[str, Any]:
        """The object `calibration` of `surefoot eval qa --calibrate --json`."""
        chosen, held = self.chosen, self.held_out
        return {
            "trust": chosen.trust if chosen else None,
            "target_risk": self.target_risk,
            "coverage": _rounded(chosen.point.coverage) if chosen else 0.0,
            "risk": _rounded(chosen.point.risk) if chosen else None,
            "risk_upper": _rounded(chosen.point.risk_upper) if chosen else None,
            "cross_validated": {
                "coverage": _rounded(held.coverage if held else None),
                "risk": _rounded(held.risk if held else None),
            },
            "before": {
                "trust": self.before.trust,
                "coverage": _rounded(self.before.point.coverage),
                "risk": _rounded(self.before.point.risk),
            },
            "abstain_recall": _rounded(self.abstain_recall),
            "answered_right_of_answerable": _rounded(self.answered_right),
            "n": self.n,
        }


def require_target(suite: str, target: float) -> None:
    """Raises ConfigError for a suite without answers, and for a target that is none."""
    require(suite == SUITE, "calibrate", f"is for the suite {SUITE}")
    require(0.0 < target < 1.0, "target-risk", "must be over 0 and under 1")


def calibrate(scores: Sequence[Score], target: float, before: float) -> Calibrated:
    """Choose on the scores of a qa run with the gate open; `before` is the trust in force.

    A case that failed counts as answered wrongly at every threshold. Raises SurefootError without
    a case.
    """
    if not scores:
        raise SurefootError("there is no case to calibrate on")
    rows = table(scores)
    columns = rows.columns
    trusts, wrong = column(columns, "answer_trust"), column(columns, "answer_wrong")
    cases = Judged(trusts, wrong, rows.clusters)
    lowest = choose(cases, target)
    chosen = None if lowest is None else _step(cases, _just_below(lowest))
    held = held_out(cases, target)
    steps = {*curve(cases), *(() if lowest is None else (lowest,))}
    kept = np.zeros(len(cases), dtype=bool) if chosen is None else cases.kept(chosen.trust)
    return Calibrated(
        target_risk=target,
        chosen=chosen,
        before=_step(cases, before),
        held_out=None if held is None else point(cases, held),
        abstain_recall=None if chosen is None else _silent(columns, kept),
        answered_right=None if chosen is None else _right(columns, kept),
        n=len(cases),
        curve=tuple(_step(cases, trust) for trust in sorted(steps, reverse=True)),
    )


def keep(kb: Path, config: Config, found: Calibrated) -> Path | None:
    """Store the choice with the base, for what answers under `config`; None if there is none.

    Raises CalibrationError if it can't be written.
    """
    if found.chosen is None:
        return None
    at, chosen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), found.chosen.point
    assert chosen.risk is not None
    calibration = Calibration(
        trust=found.chosen.trust,
        target_risk=found.target_risk,
        coverage=round(chosen.coverage, DIGITS),
        risk=round(chosen.risk, DIGITS),
        risk_upper=round(chosen.risk_upper, DIGITS),
        n=found.n,
        at=at,
        basis=basis_of(kb, config),
    )
    return write_calibration(kb, calibration)


def _step(cases: Judged, trust: float) -> Step:
    return Step(trust, point(cases, cases.kept(trust)))


def _just_below(trust: float) -> float:
    return max(0.0, round(trust - HALF_DIGIT, DIGITS))


def _silent(columns: Columns, kept: Mask) -> float | None:
    """Of the unanswerable: those that it abstained on, or would for want of trust."""
    answered = column(columns, "answered") == 1
    silent = (column(columns, "abstained") == 1) | (answered & ~kept)
    return _share(silent, column(columns, "answerable") == 0)


def _right(columns: Columns, kept: Mask) -> float | None:
    right = kept & (column(columns, "answer_wrong") == 0)
    return _share(right, column(columns, "answerable") == 1)


def _share(flags: Mask, among: Mask) -> float | None:
    return float(np.mean(flags[among])) if among.any() else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
