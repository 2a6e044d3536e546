"""Which pictures a run of a suite has, drawn from its scores, with captions on how to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evals.metrics import Columns, table
from evals.report.charts import Array, Axes, Interval, distribution, intervals
from evals.report.curves import (
    ENOUGH,
    Picture,
    calibrated_picture,
    precision_recall,
    risk_picture,
    roc,
)
from evals.report.facts import estimate_of
from evals.report.words import time
from evals.rundir import Run
from evals.stats.tables import column
from evals.types import Json, ScoredCase

_LABELS = 30
_SHARE = "share of cases"


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
            {"nDCG@10": column(columns, "ndcg@10")},
            "nDCG of a query",
            "Queries at 0 found nothing relevant among the first ten; those at 1 are perfect.",
        )
    ]


def _qa(columns: Columns, results: Json) -> list[Picture | None]:
    answered = column(columns, "answered") == 1
    answerable = column(columns, "answerable") == 1
    right = (column(columns, "right") == 1) & answerable
    trust = column(columns, "trust")
    claims = column(columns, "claims")
    support = np.divide(
        column(columns, "support_sum"), claims, out=np.full_like(claims, np.nan), where=claims > 0
    )
    groups = {"documents hold it": trust[answerable], "they do not": trust[~answerable]}
    return [
        risk_picture(columns, results.get("calibration")),
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
    risk, truth = column(columns, "risk"), column(columns, "truth")
    has = ~np.isnan(risk) & ~np.isnan(truth)
    return [
        *_detector(columns, "risk", "truth", ("clean", "hallucinated"), "risk"),
        calibrated_picture(np.clip(risk[has], 0.0, 1.0), truth[has]),
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
    tokens = column(columns, "tokens")
    nll = np.divide(
        column(columns, "nll"), tokens, out=np.full_like(tokens, np.nan), where=tokens > 0
    )
    caption = "Texts on the right surprise the model most."
    return [_spread("Surprise by text", {"texts": nll}, "nats a token", caption, bounded=False)]


def _detector(
    columns: Columns, score: str, truth: str, words: tuple[str, str], axis: str
) -> list[Picture | None]:
    """Precision-recall, ROC and the scores of the good and the bad."""
    scores, truths = column(columns, score), column(columns, truth)
    known = ~np.isnan(scores) & ~np.isnan(truths)
    scores, truths = scores[known], truths[known]
    groups = {words[0]: scores[truths == 0], words[1]: scores[truths == 1]}
    spread = _spread(
        "Scores of both kinds",
        {name: values[(values >= 0) & (values <= 1)] for name, values in groups.items()},
        axis,
        "A filter that tells them apart puts one kind on the left and the other on the right.",
    )
    if min(values.size for values in groups.values()) < ENOUGH:
        return [spread]
    return [precision_recall(scores, truths), roc(scores, truths), spread]


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
    groups = {name: _positive(column(columns, key)) for name, key in names.items()}
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
