"""The report of a run: one page for people who decide, and a shorter one for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.metrics import Metric
    from evals.rundir import Run

HTML, MARKDOWN = "report.html", "report.md"


def write_report(run: Run, metrics: Sequence[Metric]) -> None:
    """Write report.html and report.md beside the run, each whole or not at all.

    Raises RunError if the run can't be read, or its folder can't be written.
    """
    from evals.report.markdown import render_markdown
    from evals.report.page import build_report, render_html
    from evals.rundir import write_file

    report = build_report(run, metrics)
    # A lone surrogate in a case can't be written as UTF-8; it is shown as a question mark.
    write_file(run.path / HTML, render_html(report).encode("utf-8", "replace"))
    write_file(run.path / MARKDOWN, render_markdown(report).encode("utf-8", "replace"))
