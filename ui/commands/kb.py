"""`surefoot kb`: looking after a knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ui.options import JsonOption, KbOption

NOT_WELL = 3

app = typer.Typer(help="Look after a knowledge base.", no_args_is_help=True)


@app.command("info")
def info(kb: KbOption, json: JsonOption = False) -> None:
    """What is in it, what made it, how large it is."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    facts = _jsonable(asdict(KnowledgeBase.open(kb).info()))
    if json:
        emit_json(facts)
        return
    for key, value in facts.items():
        typer.echo(f"{key.replace('_', ' '):<14} {value}")


@app.command("list")
def list_documents(kb: KbOption, json: JsonOption = False) -> None:
    """Every document with its chunks and groups."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    documents = [_jsonable(asdict(record)) for record in KnowledgeBase.open(kb).documents()]
    if json:
        emit_json({"documents": documents})
        return
    for row in documents:
        groups = f"  [{', '.join(row['groups'])}]" if row["groups"] else ""
        typer.echo(f"{row['chunks']:>5}  {row['title'][:48]:<48}  {row['path']}{groups}")


@app.command("show")
def show(
    document: Annotated[str, typer.Argument(help="The document's id, as in `kb list`.")],
    kb: KbOption,
) -> None:
    """The text that citations of a document count their characters in."""
    from ingest.store import KnowledgeBase

    typer.echo(KnowledgeBase.open(kb).document_text(document), nl=False)


@app.command("verify")
def verify(kb: KbOption, json: JsonOption = False) -> None:
    """Recompute hashes, counts and vector/row agreement; exit 0 only if all is well."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    report = KnowledgeBase.open(kb).verify()
    problems = list(report.problems)
    if json:
        emit_json({"ok": not problems, **_jsonable(asdict(report))})
    elif problems:
        for problem in problems:
            typer.echo(problem)
    else:
        typer.echo("All is well.")
    if problems:
        raise typer.Exit(NOT_WELL)


@app.command("rollback")
def rollback(kb: KbOption, json: JsonOption = False) -> None:
    """Return to the generation before the last ingest."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    base = KnowledgeBase.open(kb)
    base.rollback()
    generation = KnowledgeBase.open(kb).info().generation
    if json:
        emit_json({"generation": generation})
    else:
        typer.echo(f"Back at generation {generation}.")


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
