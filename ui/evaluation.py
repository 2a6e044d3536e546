"""An evaluation on a terminal: a live line with running estimates, then the figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from evals.evaluation import Evaluated
from evals.gate import NAMED, GateResult
from evals.metrics import estimate, table
from evals.types import Score
from ui.console import ERR, OUT

if TYPE_CHECKING:
    from evals.suites.base import Suite

EVERY_S = 2.0
QUICK_RESAMPLES = 200
MOST_RUNNING = 5000


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
        )
        self._suite: Suite | None = None
        self._scores: list[Score] = []
        self._task: Any = None
        self._said = 0.0
        self.total = 0
        self.done = 0

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, total: int, suite: Suite) -> None:
        self._suite, self.total = suite, total
        self._task = self._bars.add_task("", total=total, suite=suite.name, figures="loading")

    def finished(self, scores: Sequence[Score]) -> None:
        self.done += len(scores)
        self._scores += scores
        self._bars.update(self._task, completed=self.done)
        if scores and time.monotonic() - self._said > EVERY_S:
            self._bars.update(self._task, figures=self._figures())
            self._said = time.monotonic()

    def _figures(self) -> str:
        """The first two figures so far; of a long run, over its latest cases."""
        assert self._suite is not None
        rows = table(self._scores[-MOST_RUNNING:])
        first = self._suite.metrics(rows)[:2]
        return "  ".join(f"{m.name} {estimate(m, rows, resamples=QUICK_RESAMPLES)}" for m in first)


def print_results(done: Evaluated) -> None:
    """The headline figures, slices, what failed, the gate, and where the report is."""
    results = done.run.results
    OUT.print(_figures_table(f"{results['suite']}, n={results['n']}", results["metrics"]))
    for field, values in results.get("slices", {}).items():
        for value, metrics in values.items():
            OUT.print(_figures_table(f"{field} = {value}", metrics))
    for line in _failures(results):
        OUT.print(f"[yellow]{escape(line)}[/]")
    if done.gate is not None:
        for line in gate_lines(done.gate):
            OUT.print(escape(line))
    ERR.print(f"[dim]report: {escape(str(done.run.path / 'report.html'))}[/]")


def gate_lines(gate: GateResult) -> Iterable[str]:
    """The comparison metric by metric, and the verdict."""
    if gate.compared is not None:
        found = gate.compared
        changed = f", {found.changed} changed and left out" if found.changed else ""
        yield f"compared with {gate.baseline}: {found.paired} cases paired{changed}"
        for item in found.comparisons:
            if item.difference is None:
                yield f"  {item.metric:<24} no cases"
                continue
            yield (
                f"  {item.metric:<24} {item.baseline:.3f} -> {item.candidate:.3f}  "
                f"{item.difference:+.3f} [{item.low:+.3f}, {item.high:+.3f}]  "
                f"p {item.p_holm:.2g}  could have seen {item.detectable:.3f}  {item.verdict}"
            )
    for limit in gate.limits:
        value = "no cases" if limit.value is None else f"{limit.value:.3f}"
        yield f"  {limit.metric:<24} {limit.side} {limit.limit:g}: {value}  {limit.verdict}"
    yield f"gate: {gate.verdict}" + "".join(f"\n  {reason}" for reason in gate.reasons)


def _figures_table(title: str, metrics: Mapping[str, Any]) -> RichTable:
    shown = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
    for name, justify in (("metric", "left"), ("value", "right"), ("95 %", "left"), ("n", "right")):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, found in metrics.items():
        if found["value"] is None:
            shown.add_row(escape(name), "no cases", "", str(found["n"]))
            continue
        interval = "" if found["low"] is None else f"\\[{found['low']:.3f}, {found['high']:.3f}]"
        shown.add_row(escape(name), f"{found['value']:.3f}", interval, str(found["n"]))
    return shown


def _failures(results: Mapping[str, Any]) -> Iterable[str]:
    if not results["failed"]:
        return
    yield f"{results['failed']} of {results['n']} cases failed, and count against:"
    for item in results["unscored"][:NAMED]:
        yield f"  {item['id']}: {item['reason']}"
    if results["failed"] > NAMED:
        yield f"  and {results['failed'] - NAMED} more"
