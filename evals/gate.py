"""The gate: may this be released? Absolute limits, and no significant fall behind a baseline.

Limits are written by people in a TOML file, by suite and metric:

    [qa]
    answered_precision = { min = 0.8 }
    unsupported_shown_rate = { max = 0.1, bound = "high" }

`bound` says what must keep the limit: the figure itself (`value`, the default), or the end of its
95 % interval (`low`, `high`). A limit on a metric that has no cases is broken: nothing shows that
it is kept.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evals.compare import Compared, Comparison, compare
from evals.errors import RunError
from evals.metrics import Metric
from evals.rundir import GATE, Run, write_file
from evals.suites import SUITES
from evals.types import Json
from rag.errors import ConfigError

NAMED = 12
Bound = Literal["value", "low", "high"]
LimitVerdict = Literal["kept", "broken", "no evidence"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A metric's absolute limit; `side` is "min" or "max"."""

    metric: str
    side: Literal["min", "max"]
    limit: float
    bound: Bound = "value"


@dataclass(frozen=True, slots=True)
class LimitResult:
    """A limit held against a run. `value` is what was compared with it."""

    metric: str
    side: Literal["min", "max"]
    limit: float
    bound: Bound
    value: float | None
    verdict: LimitVerdict


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate says, and why."""

    verdict: Literal["pass", "fail"]
    limits: tuple[LimitResult, ...]
    compared: Compared | None
    baseline: str = ""

    @property
    def reasons(self) -> list[str]:
        """One line for each thing that it says no to."""
        broken = [_limit_line(item) for item in self.limits if item.verdict != "kept"]
        compared = self.compared.comparisons if self.compared else ()
        fallen = [_fall_line(item) for item in compared if item.verdict == "regression"]
        gone = [_gone_line(item) for item in compared if _is_gone(item)]
        return broken + fallen + gone


def read_limits(path: Path, suite: str) -> tuple[Limit, ...]:
    """The limits for a suite. Raises ConfigError naming what is wrong with the file.

    A section that no suite has is wrong: its limits would never be held.
    """
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error
    if unknown := whole.keys() - SUITES.keys():
        names = ", ".join(sorted(unknown))
        raise ConfigError(str(path), f"has {names}; suites are {', '.join(SUITES)}")
    section = whole.get(suite, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{path} [{suite}]", "must be a table of metrics")
    return tuple(
        limit
        for metric, rule in section.items()
        for limit in _limits(f"{path} {suite}.{metric}", metric, rule)
    )


def hold(limits: Sequence[Limit], metrics: Mapping[str, Any]) -> tuple[LimitResult, ...]:
    """Every limit held against the metrics of a run's results."""
    return tuple(_held(limit, metrics.get(limit.metric)) for limit in limits)


def judge(
    run: Run, metrics: Sequence[Metric], limits: Sequence[Limit], baseline: Run | None
) -> GateResult:
    """Raises RunError if the baseline is of another suite, or shares no case with the run."""
    held = hold(limits, run.results["metrics"])
    compared = None
    if baseline is not None:
        if baseline.info.pins.suite != run.info.pins.suite:
            raise RunError(baseline.path, f"is of suite {baseline.info.pins.suite}")
        compared = compare(metrics, baseline.scores(), run.scores())
        if compared.paired == 0:
            raise RunError(baseline.path, "shares no case with this run, so nothing compares")
    name = str(baseline.path) if baseline else ""
    result = GateResult("pass", held, compared, name)
    return GateResult("fail" if result.reasons else "pass", held, compared, name)


def write_gate(folder: Path, result: GateResult) -> None:
    """Keep the verdict beside the run, for its report."""
    text = json.dumps(gate_json(result), ensure_ascii=False, indent=1)
    write_file(folder / GATE, f"{text}\n".encode("utf-8", "surrogatepass"))


def gate_json(result: GateResult) -> Json:
    """The verdict as `surefoot eval --json` prints it."""
    compared = result.compared
    found: dict[str, Any] = {
        "verdict": result.verdict,
        "reasons": result.reasons,
        "limits": [asdict(item) for item in result.limits],
        "baseline": result.baseline,
        "lines": [asdict(item) for item in compared.comparisons] if compared else [],
    }
    if compared:
        found["cases"] = {
            "paired": compared.paired,
            "only_baseline": compared.only_baseline,
            "only_candidate": compared.only_candidate,
            "changed": compared.changed,
        }
    return found


def _limits(where: str, metric: str, rule: Any) -> list[Limit]:
    if not isinstance(rule, dict) or not rule.keys() & {"min", "max"}:
        raise ConfigError(where, "must be a table with min or max")
    if unknown := rule.keys() - {"min", "max", "bound"}:
        raise ConfigError(where, f"has {', '.join(sorted(unknown))}; known are min, max, bound")
    bound = rule.get("bound", "value")
    if bound not in ("value", "low", "high"):
        raise ConfigError(where, f"bound is {bound!r}, not value, low or high")
    sides: list[Limit] = []
    for side in ("min", "max"):
        value = rule.get(side)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            raise ConfigError(where, f"{side} is {value!r}, not a number")
        sides.append(Limit(metric, side, float(value), bound))
    return sides


def _held(limit: Limit, found: Mapping[str, Any] | None) -> LimitResult:
    value = None if found is None else found[limit.bound]
    if value is None:
        verdict: LimitVerdict = "no evidence"
    else:
        kept = value >= limit.limit if limit.side == "min" else value <= limit.limit
        verdict = "kept" if kept else "broken"
    return LimitResult(limit.metric, limit.side, limit.limit, limit.bound, value, verdict)


def _limit_line(item: LimitResult) -> str:
    wanted = f"{item.metric} must be at {'least' if item.side == 'min' else 'most'} {item.limit:g}"
    if item.value is None:
        return f"{wanted}, and no case shows that it is"
    what = "" if item.bound == "value" else f" (the {item.bound} end of its interval)"
    return f"{wanted}{what}, and is {item.value:.4g}"


def _fall_line(item: Comparison) -> str:
    went = "fell" if item.better == "higher" else "rose"
    known = item.low is not None and item.high is not None
    span = f" [{item.low:+.4g}, {item.high:+.4g}]" if known else ""
    return (
        f"{item.metric} {went} from {item.baseline:.4g} to {item.candidate:.4g}: difference "
        f"{item.difference:+.4g}{span}, "
        f"p {item.p_holm:.2g} after Holm, n={item.n}"
    )


def _is_gone(item: Comparison) -> bool:
    """A figure that the baseline had and this run has no case for: silence is no improvement."""
    return item.verdict == "no cases" and item.baseline is not None and item.candidate is None


def _gone_line(item: Comparison) -> str:
    return f"{item.metric} was {item.baseline:.4g}, and no case of this run shows what it is now"
