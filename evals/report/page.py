"""The page: everything that a report says, put together and rendered with every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from evals.metrics import Metric
from evals.report.blocks import MIDDLE, Cut, cut
from evals.report.cards import Card, worst
from evals.report.curves import Picture
from evals.report.facts import (
    GateWords,
    Head,
    Row,
    command,
    estimate_of,
    failures,
    gate,
    head,
    methods,
    provenance,
    row,
)
from evals.report.pictures import pictures
from evals.report.slices import SliceTable, slice_tables
from evals.rundir import Run

_FAILED = 100


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told about a run. `rows` are the headline figures, `others` the rest."""

    head: Head
    gate: GateWords | None
    rows: tuple[Row, ...]
    others: tuple[Row, ...]
    slices: tuple[SliceTable, ...]
    pictures: tuple[Picture, ...]
    worst: tuple[Card, ...]
    failed: tuple[tuple[str, Cut], ...]
    failed_count: int
    provenance: tuple[tuple[str, str], ...]
    command: str
    methods: tuple[str, ...]


def build_report(run: Run, metrics: Sequence[Metric]) -> Report:
    """Gather a run's report. Raises RunError if a file of the run can't be read."""
    scores = run.scores()
    figures = run.results["metrics"]
    suite = run.info.pins.suite
    rows = [(m.headline, row(suite, m, estimate_of(figures.get(m.name)))) for m in metrics]
    failed = [(name, cut(reason, MIDDLE)) for name, reason in failures(run)[:_FAILED]]
    return Report(
        head=head(run),
        gate=gate(run),
        rows=tuple(found for leads, found in rows if leads),
        others=tuple(found for leads, found in rows if not leads),
        slices=tuple(slice_tables(run, metrics, scores)),
        pictures=tuple(pictures(run, scores)),
        worst=tuple(worst(run, scores)),
        failed=tuple(failed),
        failed_count=int(run.results.get("failed", 0)),
        provenance=tuple(provenance(run.info)),
        command=command(run.info),
        methods=tuple(methods([found for _, found in rows])),
    )


def render_html(report: Report) -> str:
    """One file that stands alone: no script, nothing fetched, every text of a case inert."""
    return _template().render(report=report)


def part_html(name: str, value: Any) -> str:
    """One part of the page by itself, drawn by its macro in blocks.html; every text escaped."""
    return str(getattr(_templates().get_template("blocks.html").module, name)(value))


def _template() -> Template:
    return _templates().get_template("report.html")


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=False)
