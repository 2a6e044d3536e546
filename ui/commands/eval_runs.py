"""`surefoot eval diff` and `report`: looking at runs that are finished."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.options import JsonOption

RunArgument = Annotated[Path, typer.Argument(help="A run's folder.", metavar="RUN")]
OtherArgument = Annotated[Path, typer.Argument(help="The run after it.", metavar="RUN")]
TopOption = Annotated[int, typer.Option("--top", min=1, help="How many cases to show.")]


def diff(
    before: RunArgument, after: OtherArgument, top: TopOption = 20, json: JsonOption = False
) -> None:
    """Which cases turned between two runs, side by side, worst first.

    Examples:

      surefoot eval diff runs/before runs/after --top 5
    """
    from evals.diff import as_json, diff_runs, render
    from evals.evaluation import run_folder
    from evals.rundir import Run
    from ui.console import emit_json

    found = diff_runs(Run.load(run_folder(before)), Run.load(run_folder(after)), top)
    if json:
        emit_json(as_json(found))
        return
    for line in render(found):
        typer.echo(line)


def report(run: RunArgument) -> None:
    """Draw the report of a finished run again, as report.html and report.md in its folder.

    Examples:

      surefoot eval report runs/qa
    """
    from evals.evaluation import run_folder
    from evals.metrics import table
    from evals.report import write_report
    from evals.rundir import Run
    from evals.suites import get

    finished = Run.load(run_folder(run))
    rows = table([item.score for item in finished.scores()])
    write_report(finished, get(finished.info.pins.suite).metrics(rows))
    for name in ("report.html", "report.md"):
        typer.echo(finished.path / name)
