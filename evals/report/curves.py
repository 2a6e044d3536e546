"""The curves of a report as pictures, with captions on how to read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evals.metrics import Columns
from evals.report.charts import Array, Axes, Line, Mark, lines, reliability
from evals.report.words import number, percent
from evals.stats.curves import pr_curve, risk_coverage, roc_curve
from evals.stats.curves import reliability as calibration
from evals.stats.tables import column
from evals.types import Json

ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing (an SVG element of ours, with the labels escaped), its title and caption."""

    title: str
    svg: str
    caption: str


def precision_recall(scores: Array, truths: Array) -> Picture:
    """Of a detector's scores (n,) with a positive among the truths."""
    curve, base = pr_curve(scores, truths), float(truths.mean())
    level = Line("flagging at random", np.array([0.0, 1.0]), np.full(2, base))
    line = Line("measured", *_from_zero(curve.recall, curve.precision), step=True)
    caption = (
        "How many of the flagged are rightly flagged (up), as more of the bad ones are caught "
        f"(right). Flagging at random would be right in {percent(base)}. "
        f"Average precision: {number(curve.area)}."
    )
    svg = lines("Precision against recall", Axes("recall", "precision"), [line], level)
    return Picture("Precision and recall", svg, caption)


def roc(scores: Array, truths: Array) -> Picture:
    """Of a detector's scores (n,) with a positive and a negative among the truths."""
    curve = roc_curve(scores, truths)
    guess = Line("guessing", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    line = Line("measured", curve.fpr, curve.tpr)
    axes = Axes("good cases flagged", "bad cases caught")
    caption = (
        "How many of the bad are caught (up) at the price of good ones flagged (right). "
        f"Area under it: {number(curve.area)}."
    )
    return Picture("ROC curve", lines("ROC curve", axes, [line], guess), caption)


def calibrated_picture(risk: Array, truth: Array) -> Picture | None:
    """How often answers of a risk (n,), in 0 to 1, were hallucinated."""
    if risk.size < ENOUGH:
        return None
    found = calibration(risk, truth)
    svg = reliability(
        f"Reliability: expected calibration error {number(found.ece)}",
        Axes("risk as computed: 1 − least support", "answers that are hallucinated"),
        found.predicted,
        found.observed,
        found.low,
        found.high,
    )
    caption = (
        "Where an answer’s risk is 0.2, two in ten should be hallucinated: on the dotted line they "
        f"are. Each dot is a tenth of the answers. Mean distance (ece): {number(found.ece)}."
    )
    return Picture("Is the risk what it says?", svg, caption)


def risk_picture(columns: Columns, calibrated: Json | None) -> Picture | None:
    """How many of the answers are wrong against how many questions are answered.

    `calibrated` is the object of that name in the results of a calibration.
    """
    trust, wrong = column(columns, "answer_trust"), column(columns, "answer_wrong")
    given = np.isfinite(trust)
    if np.sum(given) < ENOUGH:
        return None
    found = risk_coverage(trust[given], 1 - wrong[given])
    coverage, whole = found.coverage * float(given.mean()), float(found.risk[-1])
    marks = _marks(calibrated) if calibrated else [Mark("as it answers", coverage[-1], whole)]
    axes = Axes("share of questions answered, most trusted first", "share of answers wrong")
    line = Line("by trust", *_from_zero(coverage, found.risk), step=True)
    caption = (
        f"It answered {percent(coverage[-1])} of the questions, and {percent(whole)} of these "
        "answers are wrong. To the left, what would be left if only the most trusted were shown. "
        f"Mean risk along the curve (aurc): {number(found.area)}."
    )
    if calibrated:
        caption = f"Run with the gate open. {caption} {_chosen(calibrated)}"
    svg = lines("Risk against coverage", axes, [line], marks=marks)
    return Picture("Risk and coverage", svg, caption)


def _marks(calibrated: Json) -> list[Mark]:
    """Where it stood before, and where the chosen trust puts it; not where nothing is answered."""
    places = {"before": calibrated["before"], "chosen": calibrated}
    return [
        Mark(f"{name} ({place['trust']:.2f})", place["coverage"], place["risk"])
        for name, place in places.items()
        if place["risk"] is not None
    ]


def _chosen(calibrated: Json) -> str:
    target = percent(calibrated["target_risk"])
    if calibrated["trust"] is None:
        return f"No trust keeps the risk at {target}."
    held = calibrated["cross_validated"]
    told = f"Chosen for a risk of at most {target}: {calibrated['trust']:.2f}."
    if held["risk"] is None:
        return told
    return (
        f"{told} On cases held out of the choice it answers {percent(held['coverage'])}, "
        f"{percent(held['risk'])} of that wrongly."
    )


def _from_zero(x: Array, y: Array) -> tuple[Array, Array]:
    return np.append(0.0, x), np.append(y[0], y)
