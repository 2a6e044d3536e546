"""An evaluation on a terminal: a live line with running estimates, then the figures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from evals.compare import Compared, Comparison
from evals.evaluation import Evaluated
from evals.gate import NAMED, GateResult
from evals.metrics import estimate, table
from evals.seen import FIELD
from evals.types import Score
from ui.calibration_view import calibration_lines
from ui.console import ERR, OUT
from ui.review_view import printable
from ui.view import short

if TYPE_CHECKING:
    from evals.suites.base import Suite

EVERY_S = 2.0
QUICK_RESAMPLES = 200
MOST_RUNNING = 5000
WIDEST = 80


class LiveProgress:
    """A bar with the suite's first figures so far, and their intervals."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.fields[suite]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=ERR,
            transient=True,
            disable=not ERR.is_terminal,  # else its end would be an empty line in a log
        )
        self._suite: Suite | None = None
        self._scores: deque[Score] = deque(maxlen=MOST_RUNNING)
        self._task: Any = None
        self._said = 0.0
        self.total = 0
        self.done = 0
        self.begun = False

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, total: int, suite: Suite) -> None:
        self._suite, self.total, self.begun = suite, total, True
        self._task = self._bars.add_task("", total=total, suite=suite.name, figures="loading")

    def finished(self, scores: Sequence[Score]) -> None:
        self.done += len(scores)
        self._scores.extend(scores)
        self._bars.update(self._task, completed=self.done)
        if scores and time.monotonic() - self._said > EVERY_S:
            self._bars.update(self._task, figures=self._figures())
            self._said = time.monotonic()

    def _figures(self) -> str:
        """The first two figures so far; of a long run, over its latest cases."""
        assert self._suite is not None
        rows = table(list(self._scores))
        first = self._suite.metrics(rows)[:2]
        return "  ".join(f"{m.name} {estimate(m, rows, resamples=QUICK_RESAMPLES)}" for m in first)


def print_results(done: Evaluated) -> None:
    """The headline figures, slices, what failed, the gate, and where the report is."""
    results = done.run.results
    OUT.print(_figures_table(f"{results['suite']}, n={results['n']}", results["metrics"]))
    for field, values in results.get("slices", {}).items():
        for value, metrics in values.items():
            OUT.print(_figures_table(f"{short(field, WIDEST)} = {short(value, WIDEST)}", metrics))
    if seen := results["seen_in_training"]:
        OUT.print(
            f"[yellow]{seen} of {results['n']} cases are among those that the shipped weights were "
            f"trained on: these figures flatter (--slice {FIELD} separates them)[/]"
        )
    for line in _failures(results):
        OUT.print(f"[yellow]{_safe(line)}[/]")
    if done.calibrated is not None:
        for line in calibration_lines(done.calibrated):
            OUT.print(line, markup=False, highlight=False)
    if done.gate is not None:
        for line in gate_lines(done.gate):
            OUT.print(_safe(line))
    ERR.print(f"[dim]report: {escape(str(done.run.path / 'report.html'))}[/]")


def gate_lines(gate: GateResult) -> Iterable[str]:
    """The comparison metric by metric, and the verdict."""
    if gate.compared is not None:
        found = gate.compared
        yield f"compared with {gate.baseline}: {found.paired} cases paired{_left_out(found)}"
        yield from map(_comparison_line, found.comparisons)
    for limit in gate.limits:
        value = "no cases" if limit.value is None else f"{limit.value:.3f}"
        yield f"  {limit.metric:<24} {limit.side} {limit.limit:g}: {value}  {limit.verdict}"
    yield f"gate: {gate.verdict}" + "".join(f"\n  {reason}" for reason in gate.reasons)


def _safe(text: str) -> str:
    """Text of a case file, that neither markup nor a terminal takes for a command."""
    return escape(printable(text))


def _left_out(found: Compared) -> str:
    counts = (
        (found.only_baseline, "only in the baseline"),
        (found.only_candidate, "only in this run"),
        (found.changed, "of changed content"),
    )
    named = ", ".join(f"{count} {words}" for count, words in counts if count)
    return f"; left out: {named}" if named else ""


def _comparison_line(item: Comparison) -> str:
    """What is not known of a metric, or not judged, has no words in its line."""
    if item.difference is None:
        sides = ("none" if v is None else f"{v:.3f}" for v in (item.baseline, item.candidate))
        return f"  {item.metric:<24} {' -> '.join(sides)}  not comparable"
    parts = [
        f"  {item.metric:<24} {item.baseline:.3f} -> {item.candidate:.3f}",
        f"{item.difference:+.3f}"
        + ("" if item.low is None else f" [{item.low:+.3f}, {item.high:+.3f}]"),
        "" if item.p_holm is None else f"p {item.p_holm:.2g}",
        "" if item.detectable is None else f"could have seen {item.detectable:.3f}",
        item.verdict,
    ]
    return "  ".join(filter(None, parts))


def _figures_table(title: str, metrics: Mapping[str, Any]) -> RichTable:
    shown = RichTable(title=_safe(title), title_justify="left", box=None, pad_edge=False)
    for name, justify in (("metric", "left"), ("value", "right"), ("95 %", "left"), ("n", "right")):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for metric, found in metrics.items():
        name = _safe(short(metric, WIDEST))
        if found["value"] is None:
            shown.add_row(name, "no cases", "", str(found["n"]))
            continue
        interval = "" if found["low"] is None else f"\\[{found['low']:.3f}, {found['high']:.3f}]"
        shown.add_row(name, f"{found['value']:.3f}", interval, str(found["n"]))
    return shown


def _failures(results: Mapping[str, Any]) -> Iterable[str]:
    if not results["failed"]:
        return
    yield f"{results['failed']} of {results['n']} cases failed, and count against:"
    for item in results["unscored"][:NAMED]:
        yield f"  {short(item['id'], WIDEST)}: {item['reason']}"
    if results["failed"] > NAMED:
        yield f"  and {results['failed'] - NAMED} more"
