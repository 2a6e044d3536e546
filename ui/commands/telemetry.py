"""`surefoot telemetry`: files for Prometheus and Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Files for Prometheus and Grafana.", no_args_is_help=True)

OutOption = Annotated[Path | None, typer.Option(help="Write there; without it, print.")]


@app.command("dashboard")
def print_dashboard(out: OutOption = None) -> None:
    """The dashboard, as the JSON that Grafana imports (Dashboards, New, Import).

    Example:

      surefoot telemetry dashboard --out surefoot.json
    """
    from json import dumps

    from ui.operations.dashboard import dashboard

    _give(dumps(dashboard(), indent=2) + "\n", out)


@app.command("alerts")
def print_alerts(out: OutOption = None) -> None:
    """Recording and alert rules for Prometheus: SLOs by burn rates, memory, releases.

    Example:

      surefoot telemetry alerts --out surefoot-rules.yml
    """
    from ui.operations.rules import rules_file

    _give(_yaml(rules_file()), out)


@app.command("prometheus")
def print_prometheus(
    out: OutOption = None,
    target: Annotated[str, typer.Option(help="Where the service listens.")] = "127.0.0.1:8700",
    key_file: Annotated[
        str, typer.Option(help='A file with an API key of the scope "metrics"; "" for none.')
    ] = "surefoot-metrics.key",
    rules: Annotated[str, typer.Option(help="The rules file.")] = "surefoot-rules.yml",
) -> None:
    """A config for Prometheus that scrapes the service and loads the rules.

    Example:

      surefoot telemetry prometheus --out prometheus.yml
    """
    from ui.operations.scrape import prometheus_file

    _give(_yaml(prometheus_file(target, key_file, rules)), out)


def _yaml(value: object) -> str:
    from yaml import safe_dump

    return str(safe_dump(value, sort_keys=False, width=100, allow_unicode=True))


def _give(text: str, out: Path | None) -> None:
    """Print, or write. Raises SurefootError where the file can't be written."""
    if out is None:
        typer.echo(text, nl=False)
        return
    from ingest.errors import SurefootError

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SurefootError(f"{out} cannot be written: {error.strerror}") from error
    typer.echo(f"written: {out}", err=True)
