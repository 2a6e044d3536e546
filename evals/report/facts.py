"""The head of a report, from a run's results: figures, the gate's word, what failed, what it was.

All frozen and ready to print; numbers stay numbers only where a picture needs them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.errors import RunError
from evals.metrics import Metric
from evals.report.words import (
    MetricWords,
    better_words,
    metric_words,
    number,
    percent,
    signed,
    suite_words,
)
from evals.rundir import GATE, Run
from evals.stats.tables import UNIT
from evals.types import Estimate, Json, RunInfo

_COMMAND = "command"
_VERDICTS = {
    "pass": ("pass", "✓", "Gate passed: nothing is significantly worse, and no limit is broken."),
    "fail": ("fail", "✕", "Gate failed: not fit for release as it stands."),
    "no evidence": (
        "none",
        "–",
        "Gate: no evidence. These cases show no difference beyond what chance makes.",
    ),
}
_LEFT_OUT = {
    "only_baseline": "only in the baseline",
    "only_candidate": "only in this run",
    "changed": "of changed content",
}
_BOUNDS = {"low": "lower end", "high": "upper end", "value": "value"}


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of the table. `bar`: value, low and high on a scale of 0 to 100, if it has one."""

    name: str
    meaning: str
    better: str
    value: str
    interval: str
    n: str
    method: str
    bar: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class GateLine:
    """A line of the gate: `cells` as its header has them."""

    cells: tuple[str, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class GateWords:
    """The gate's verdict in a sentence, with a sign and a style; its comparisons and its limits."""

    verdict: str
    style: str
    sign: str
    sentence: str
    reasons: tuple[str, ...]
    paired: str
    lines: tuple[GateLine, ...]
    limits: tuple[GateLine, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What the first screen says: the main figure, what else leads, and what it was measured on."""

    title: str
    headline: str
    more: tuple[str, ...]
    measured: str


def estimate_of(entry: Mapping[str, Any] | None) -> Estimate:
    """A figure of results.json; one that is not there has no cases."""
    row = entry or {}
    return Estimate(
        row.get("value"), row.get("low"), row.get("high"), row.get("n", 0), row.get("method", "")
    )


def row(suite: str, metric: Metric, found: Estimate) -> Row:
    words = metric_words(suite, metric.name)
    return Row(
        metric.name,
        words.meaning,
        better_words(metric.better),
        "no cases" if found.value is None else number(found.value),
        interval(found),
        f"{found.n:,}",
        found.method,
        _bar(found) if metric.bounds == UNIT else None,
    )


def interval(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{number(found.low)} to {number(found.high)}"


def head(run: Run) -> Head:
    suite, words = run.info.pins.suite, suite_words(run.info.pins.suite)
    found = [(name, estimate_of(run.results["metrics"].get(name))) for name in words.lead]
    told = [(name, one) for name, one in found if one.value is not None]
    measured = _measured(run)
    if not told:
        return Head(words.title, f"{words.title}: nothing to measure.", (), measured)
    more = [_sure(suite, *told[0]), *(_also(suite, *one) for one in told[1:])]
    more.append(_flattered(run))
    return Head(words.title, _says(suite, *told[0]), tuple(filter(None, more)), measured)


def _flattered(run: Run) -> str:
    """Says so if what is under test was trained on some of the cases."""
    seen, n = run.results.get("seen_in_training", 0), run.results["n"]
    if not seen:
        return ""
    what = "All" if seen == n else f"{seen:,} of {n:,}"
    return f"{what} cases were trained on: the figures flatter, and prove little."


def gate(run: Run) -> GateWords | None:
    """What gate.json in the run's folder says. Raises RunError if it can't be read."""
    path = run.path / GATE
    if not path.is_file():
        return None
    try:
        return gate_words(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(run.path, f"{GATE} cannot be read ({error})") from error


def gate_words(found: Json) -> GateWords:
    """The gate's verdict, the object of gate.json, in words."""
    verdict = str(found["verdict"])
    return GateWords(
        verdict,
        *_VERDICTS.get(verdict, ("none", "–", f"Gate: {verdict}.")),
        tuple(map(str, found.get("reasons", ()))),
        _paired(found),
        tuple(_comparison(line) for line in found.get("lines", ())),
        tuple(_limit(line) for line in found.get("limits", ())),
    )


def failures(run: Run) -> list[tuple[str, str]]:
    """(case id, reason) of every case that could not be judged."""
    return [(str(f["id"]), str(f["reason"])) for f in run.results.get("unscored", ())]


def provenance(info: RunInfo) -> list[tuple[str, str]]:
    """What was run, in the order in which one would ask."""
    pins = info.pins
    known = [
        ("Model", pins.model),
        ("Prompt template", pins.template),
        ("Index", pins.index),
        ("Policy", pins.policy),
        ("Code", pins.code),
        *((f"Case file {name}", f"sha256 {digest}") for name, digest in info.sources),
        ("Cases chosen", f"{info.n:,}" if info.sample is None else f"{info.n:,}, drawn by seed"),
        ("Seed", str(info.seed)),
        *((f"Setting {name}", _plain(info.settings[name])) for name in sorted(info.settings)),
    ]
    hidden = {"", "[]", "null"}
    return [(k, v) for k, v in known if v not in hidden and k != f"Setting {_COMMAND}"]


def command(info: RunInfo) -> str:
    """The command that measures the same again (with the files at hand)."""
    if info.settings.get(_COMMAND):
        return str(info.settings[_COMMAND])
    parts = ["surefoot", "eval", info.pins.suite]
    for name, _ in info.sources:
        parts += ["--cases", name]
    if info.pins.index:
        parts += ["--kb", str(info.settings.get("kb", "DIR"))]
    if info.settings.get("model"):
        parts += ["--model", str(info.settings["model"])]
    if info.sample is not None:
        parts += ["--sample", str(info.sample), "--seed", str(info.seed)]
    return shlex.join(parts)


def methods(rows: Sequence[Row]) -> list[str]:
    """The ways in which the intervals were made, each once."""
    return list(dict.fromkeys(row.method for row in rows if row.method))


def _says(suite: str, name: str, found: Estimate) -> str:
    words = metric_words(suite, name)
    assert found.value is not None
    return words.says.format(_shown(words, found.value))


def _sure(suite: str, name: str, found: Estimate) -> str:
    """How sure one can be of the main figure."""
    span = _span(suite, name, found)
    if not span:
        return ""
    return f"With 95\N{NO-BREAK SPACE}% confidence {span}, judging from {found.n:,} cases."


def _also(suite: str, name: str, found: Estimate) -> str:
    span = _span(suite, name, found)
    sure = f" ({span}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{found.n:,})" if span else ""
    return f"{_says(suite, name, found)[:-1]}{sure}."


def _span(suite: str, name: str, found: Estimate) -> str:
    if found.low is None or found.high is None:
        return ""
    words = metric_words(suite, name)
    return f"between {_shown(words, found.low)} and {_shown(words, found.high)}"


def _shown(words: MetricWords, value: float) -> str:
    return percent(value) if words.percent else number(value)


def _measured(run: Run) -> str:
    words, results = suite_words(run.info.pins.suite), run.results
    files = ", ".join(name for name, _ in run.info.sources)
    text = f"Measured on {results['n']:,} {words.cases} of {files}"
    if run.info.sample is not None:
        text += f", drawn with seed {run.info.seed}"
    parts = []
    if failed := results.get("failed", 0):
        parts.append(f"{failed:,} could not be judged and count against.")
    if empty := _without_measure(run):
        parts.append(f"{empty:,} name nothing relevant and are left out.")
    return f"{text}. {' '.join(parts) or 'Every case was judged.'}"


def _without_measure(run: Run) -> int:
    """Queries that name nothing relevant. In other suites to abstain is an outcome like another."""
    is_retrieval = run.info.pins.suite == "retrieval"
    return int(run.results.get("abstained", 0)) if is_retrieval else 0


def _bar(found: Estimate) -> tuple[float, float, float] | None:
    if found.value is None or found.low is None or found.high is None:
        return None
    return round(100 * found.value, 2), round(100 * found.low, 2), round(100 * found.high, 2)


def _comparison(line: Mapping[str, Any]) -> GateLine:
    low, high = line.get("low"), line.get("high")
    span = "" if low is None or high is None else f"{signed(low)} to {signed(high)}"
    cells = (
        str(line["metric"]),
        _cell(line.get("baseline")),
        _cell(line.get("candidate")),
        "" if line.get("difference") is None else signed(line["difference"]),
        span,
        _cell(line.get("p_holm")),
        _cell(line.get("detectable")),
    )
    return GateLine(cells, str(line["verdict"]))


def _paired(found: Mapping[str, Any]) -> str:
    """Which cases the comparison rests on."""
    cases = found.get("cases")
    if not cases:
        return ""
    left_out = [f"{cases[name]:,} {words}" for name, words in _LEFT_OUT.items() if cases.get(name)]
    baseline = Path(str(found.get("baseline", ""))).name or "the baseline"
    text = f"Compared with {baseline} on the {cases['paired']:,} cases that both have"
    return f"{text}; left out: {', '.join(left_out)}." if left_out else f"{text}."


def _limit(line: Mapping[str, Any]) -> GateLine:
    side = {"min": "at least", "max": "at most"}.get(str(line.get("side")), "")
    bound = _BOUNDS.get(str(line["bound"]), str(line["bound"]))
    limit = f"{side} {number(line['limit'])}".strip()
    cells = (str(line["metric"]), bound, limit, _cell(line["value"]))
    return GateLine(cells, str(line["verdict"]))


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
