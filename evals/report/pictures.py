"""Which pictures a run of a suite has, drawn from its scores, with captions on how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evals.metrics import Columns, table
from evals.report.charts import (
    Array,
    Axes,
    Interval,
    Line,
    distribution,
    intervals,
    lines,
    reliability,
)
from evals.report.facts import estimate_of
from evals.report.words import number, percent, time
from evals.rundir import Run
from evals.stats.curves import pr_curve, risk_coverage, roc_curve
from evals.stats.curves import reliability as calibration
from evals.types import Json, ScoredCase

_ENOUGH = 2
_LABELS = 30
_SHARE = "share of cases"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing (an SVG element of ours, with the labels escaped), its title and caption."""

    title: str
    svg: str
    caption: str


def pictures(run: Run, scores: Sequence[ScoredCase]) -> list[Picture]:
    """All pictures of a run; one that would show nothing is left out."""
    columns = table([item.score for item in scores]).columns
    draw = _SUITES.get(run.info.pins.suite)
    made = draw(columns, run.results) if draw else []
    judged = {item.score.id for item in scores if item.score.status != "unscored"}
    times = np.array([out.ms for case, out in run.rows() if case.id in judged], dtype=np.float64)
    found = [*made, *_latency(times, len(scores) - len(judged))]
    return [picture for picture in found if picture is not None]


def _retrieval(columns: Columns, results: Json) -> list[Picture | None]:
    del results
    return [
        _spread(
            "How good each ranking is",
            {"nDCG@10": _column(columns, "ndcg@10")},
            "nDCG of a query",
            "Queries at 0 found nothing relevant among the first ten; those at 1 are perfect.",
        )
    ]


def _qa(columns: Columns, results: Json) -> list[Picture | None]:
    del results
    answered = _column(columns, "answered") == 1
    answerable = _column(columns, "answerable") == 1
    right = (_column(columns, "right") == 1) & answerable
    trust = _column(columns, "trust")
    claims = _column(columns, "claims")
    support = np.divide(
        _column(columns, "support_sum"), claims, out=np.full_like(claims, np.nan), where=claims > 0
    )
    tried = answered & np.isfinite(trust)
    groups = {"documents hold it": trust[answerable], "they do not": trust[~answerable]}
    return [
        _risk(trust[tried], right[tried]),
        _spread(
            "Trust before answering",
            groups,
            "trust that the passages hold the answer",
            "The further the two lie apart, the better it knows when to keep silent.",
        ),
        _spread(
            "Support of what was shown",
            {"right": support[answered & right], "wrong": support[answered & ~right]},
            "mean support of an answer’s claims",
            "Wrong answers with high support repeat a passage, but the wrong one.",
        ),
        _tokens(columns),
    ]


def _grounding(columns: Columns, results: Json) -> list[Picture | None]:
    del results
    truth = _column(columns, "truth")
    support, clean = _column(columns, "support"), 1 - truth
    has = np.isfinite(support) & np.isfinite(clean)
    return [
        *_detector(columns, "risk", "truth", ("clean", "hallucinated"), "risk"),
        _calibrated(support[has], clean[has]),
    ]


def _injection(columns: Columns, results: Json) -> list[Picture | None]:
    del results
    return _detector(columns, "score", "truth", ("honest", "attack"), "score")


def _moderation(columns: Columns, results: Json) -> list[Picture | None]:
    words = ("harmless", "harmful")
    return [
        *_detector(columns, "any/score", "any/truth", words, "probability of harm"),
        _labels(results, "/auprc", "Average precision by category", "average precision"),
    ]


def _pii(columns: Columns, results: Json) -> list[Picture | None]:
    del columns
    return [_labels(results, "/recall", "Recall by label", "share of the marked spans found")]


def _perplexity(columns: Columns, results: Json) -> list[Picture | None]:
    del results
    tokens = _column(columns, "tokens")
    nll = np.divide(
        _column(columns, "nll"), tokens, out=np.full_like(tokens, np.nan), where=tokens > 0
    )
    caption = "Texts on the right surprise the model most."
    return [_spread("Surprise by text", {"texts": nll}, "nats a token", caption, bounded=False)]


def _detector(
    columns: Columns, score: str, truth: str, words: tuple[str, str], axis: str
) -> list[Picture | None]:
    """Precision-recall, ROC and the scores of the good and the bad."""
    scores, truths = _column(columns, score), _column(columns, truth)
    known = ~np.isnan(scores) & ~np.isnan(truths)
    scores, truths = scores[known], truths[known]
    groups = {words[0]: scores[truths == 0], words[1]: scores[truths == 1]}
    spread = _spread(
        "Scores of both kinds",
        {name: values[(values >= 0) & (values <= 1)] for name, values in groups.items()},
        axis,
        "A filter that tells them apart puts one kind on the left and the other on the right.",
    )
    if min(values.size for values in groups.values()) < _ENOUGH:
        return [spread]
    return [_pr(scores, truths), _roc(scores, truths), spread]


def _pr(scores: Array, truths: Array) -> Picture:
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


def _roc(scores: Array, truths: Array) -> Picture:
    curve = roc_curve(scores, truths)
    guess = Line("guessing", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    line = Line("measured", curve.fpr, curve.tpr)
    axes = Axes("good cases flagged", "bad cases caught")
    caption = (
        "How many of the bad are caught (up) at the price of good ones flagged (right). "
        f"Area under it: {number(curve.area)}."
    )
    return Picture("ROC curve", lines("ROC curve", axes, [line], guess), caption)


def _calibrated(support: Array, clean: Array) -> Picture | None:
    if support.size < _ENOUGH:
        return None
    found = calibration(support, clean)
    svg = reliability(
        f"Reliability: expected calibration error {number(found.ece)}",
        Axes("support as computed", "answers that are clean"),
        found.predicted,
        found.observed,
        found.low,
        found.high,
    )
    caption = (
        "Where support says 0.8, eight answers in ten should be clean: on the dotted line it is. "
        f"Mean distance (expected calibration error): {number(found.ece)}."
    )
    return Picture("Is support what it says?", svg, caption)


def _risk(trust: Array, right: Array) -> Picture | None:
    if trust.size < _ENOUGH:
        return None
    found = risk_coverage(trust, right.astype(np.float64))
    line = Line("by trust", *_from_zero(found.coverage, found.risk), step=True)
    whole = float(found.risk[-1])
    level = Line("all answers", np.array([0.0, 1.0]), np.full(2, whole))
    axes = Axes("share of its answers kept, most trusted first", "share of those that is wrong")
    caption = (
        f"Keeping all its answers, {percent(whole)} are wrong. The curve shows what would be left "
        f"if only the most trusted were shown. Area under it: {number(found.area)}."
    )
    svg = lines("Risk against coverage", axes, [line], level)
    return Picture("Risk and coverage", svg, caption)


def _spread(
    title: str, groups: Mapping[str, Array], axis: str, caption: str, bounded: bool = True
) -> Picture | None:
    kept = {name: values[np.isfinite(values)] for name, values in groups.items()}
    kept = {f"{name} ({values.size:,})": values for name, values in kept.items() if values.size}
    if not kept:
        return None
    axes = Axes(axis, _SHARE, (0.0, 1.0) if bounded else None, None)
    return Picture(title, distribution(title, axes, kept), caption)


def _tokens(columns: Columns) -> Picture | None:
    names = {"prompt": "prompt_tokens", "answer": "completion_tokens"}
    groups = {name: _positive(_column(columns, column)) for name, column in names.items()}
    groups = {name: values for name, values in groups.items() if values.size}
    if not groups:
        return None
    axes = Axes("tokens a question", _SHARE, None, None)
    mean = ", ".join(f"{name} {values.mean():,.0f}" for name, values in groups.items())
    svg = distribution("Tokens used", axes, groups, log=True)
    return Picture("Tokens used", svg, f"By the serving model’s own tokenizer. Mean: {mean}.")


def _latency(times: Array, failed: int) -> list[Picture]:
    times = _positive(times)
    if not times.size:
        return []
    middle, late = np.percentile(times, [50, 95])
    axes = Axes("milliseconds a case", _SHARE, None, None)
    svg = distribution("Time taken", axes, {"cases": times}, log=True)
    caption = f"Half took at most {time(middle)}, 95 % at most {time(late)}."
    if failed:
        caption += f" {failed:,} that failed, out of time or else, are left out."
    return [Picture("Time taken", svg, caption)]


def _labels(results: Json, ending: str, title: str, axis: str) -> Picture | None:
    """A bar for each label or category, those with most cases first."""
    found = {
        name.removesuffix(ending): estimate_of(entry)
        for name, entry in results["metrics"].items()
        if name.endswith(ending)
    }
    rows = [
        Interval(name, e.value, e.low, e.high, e.n)
        for name, e in sorted(found.items(), key=lambda item: (-item[1].n, item[0]))
        if e.value is not None and e.low is not None and e.high is not None
    ]
    if not rows:
        return None
    left = f" {len(rows) - _LABELS} with fewer cases are left out." * (len(rows) > _LABELS)
    caption = f"Dots are measured values, bars their 95 % intervals.{left}"
    return Picture(title, intervals(title, Axes(axis, "", y_range=None), rows[:_LABELS]), caption)


def _column(columns: Columns, name: str) -> Array:
    found = columns.get(name)
    return found if found is not None else np.full(_height(columns.values()), np.nan)


def _height(columns: Iterable[Array]) -> int:
    return next((values.size for values in columns), 0)


def _from_zero(x: Array, y: Array) -> tuple[Array, Array]:
    return np.append(0.0, x), np.append(y[0], y)


def _positive(values: Array) -> Array:
    return values[np.isfinite(values) & (values > 0)]


_SUITES: dict[str, Callable[[Columns, Json], list[Picture | None]]] = {
    "retrieval": _retrieval,
    "qa": _qa,
    "grounding": _grounding,
    "pii": _pii,
    "moderation": _moderation,
    "injection": _injection,
    "perplexity": _perplexity,
}
