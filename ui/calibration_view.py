"""A calibration on a terminal: what was chosen, how sure that is, and the curve it lies on."""

from __future__ import annotations

from collections.abc import Iterator

from evals.calibrate import Calibrated, Step
from evals.stats.calibration import Point, enough

WIDTH = 40
CHOSEN = "  <- chosen"


def calibration_lines(found: Calibrated) -> Iterator[str]:
    """The table, the words of caution and the curve, as plain lines."""
    yield f"calibration for a risk of at most {_share(found.target_risk)}, n={found.n}"
    yield "  (the figures above are with the gate open: nothing withheld for want of trust)"
    yield f"  {'':<10} {'trust':>7} {'answered':>9} {'wrong of it':>12}"
    yield _row("before", found.before)
    if found.chosen is None:
        yield "  No trust keeps the risk that low: the most trusted answers are wrong too often."
        yield "  Nothing was stored: give a higher --target-risk, or a larger model."
    else:
        yield from _chosen(found, found.chosen)
    yield ""
    yield from _curve(found)


def _chosen(found: Calibrated, chosen: Step) -> Iterator[str]:
    yield _row("chosen", chosen)
    if found.held_out is not None:
        yield f"  {'held out':<10} {'':>7} {_figures(found.held_out)}"
    for words, share in (
        ("silent on {} of the questions without an answer", found.abstain_recall),
        ("right on {} of the questions with one", found.answered_right),
    ):
        if share is not None:
            yield f"  {words.format(_share(share))}"
    yield f"  {_certainty(found, chosen.point)}"


def _certainty(found: Calibrated, point: Point) -> str:
    target, least = _share(found.target_risk), enough(found.target_risk)
    bound = f"with 95 % certainty at most {_share(point.risk_upper)} of the answers are wrong"
    if found.promised:
        return f"{bound}, the choice itself aside (see held out)"
    if point.answers < least:
        few = f"{point.answers} answers are too few to promise {target}, which takes {least}"
        return f"{few}, all right: {bound}"
    return f"{target} is not promised: {bound}"


def _row(name: str, step: Step) -> str:
    return f"  {name:<10} {step.trust:>7.4f} {_figures(step.point)}"


def _figures(point: Point) -> str:
    risk = "none" if point.risk is None else _share(point.risk)
    return f"{_share(point.coverage):>9} {risk:>12}"


def _curve(found: Calibrated) -> Iterator[str]:
    """A bar of the risk for about every tenth of the cases answered."""
    risks = [step.point.risk or 0.0 for step in found.curve]
    scale = WIDTH / max([*risks, found.target_risk])
    chosen = None if found.chosen is None else found.chosen.point.answers
    yield f"  {'answered':>9} {'wrong of it':>12}"
    for step, risk in zip(found.curve, risks, strict=True):
        mark = CHOSEN * (step.point.answers == chosen)
        yield f"  {_figures(step.point)}  {'█' * round(risk * scale)}{mark}".rstrip()


def _share(value: float) -> str:
    digits = 1 if value < 0.1 else 0
    return f"{100 * value:.{digits}f} %"
