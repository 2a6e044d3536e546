"""`surefoot kb`: looking after a knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.commands import kb_forget
from ui.commands.kb_forget import NOT_WELL
from ui.options import JsonOption, KbOption, WhereOption, conditions

if TYPE_CHECKING:
    from ingest.verify import VerifyReport

app = typer.Typer(help="Look after a knowledge base.", no_args_is_help=True)
app.command("forget")(kb_forget.forget)
app.command("receipt")(kb_forget.receipt)


@app.command("info")
def info(kb: KbOption, json: JsonOption = False) -> None:
    """What is in it, what made it, how large it is."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    base = KnowledgeBase.open(kb)
    facts = _jsonable(
        {**asdict(base.info()), "metadata": [asdict(item) for item in base.metadata_keys()]}
    )
    facts["calibration"] = _calibration(kb)
    if json:
        emit_json(facts)
        return
    facts["groups"] = {row["group"] or "open to all": row["documents"] for row in facts["groups"]}
    facts["metadata"] = {row["key"]: row["documents"] for row in facts["metadata"]}
    facts["calibration"] = _calibration_line(facts["calibration"])
    for key, value in facts.items():
        typer.echo(f"{key.replace('_', ' '):<16} {_line(value)}")


def _calibration(kb: Path) -> dict[str, Any] | None:
    """The trust chosen for the base, and why it is not used, if it is not."""
    from rag.calibrated import basis_of, read_calibration
    from rag.config import load

    found = read_calibration(kb)
    if found is None:
        return None
    config = load()
    ignored = "" if config.grounding.calibrated else "grounding.calibrated is false"
    return {**asdict(found), "not_used": ignored or found.stale(basis_of(kb, config))}


def _calibration_line(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none; surefoot eval qa --cases FILE --kb DIR --calibrate"
    told = (
        f"trust {found['trust']:.3f} for a risk of at most {found['target_risk']:.1%}: answered "
        f"{found['coverage']:.0%} of {found['n']} cases, {found['risk']:.1%} of that wrongly "
        f"({found['at'][:10]})"
    )
    return f"{told}; not used: {found['not_used']}" if found["not_used"] else told


@app.command("list")
def list_documents(kb: KbOption, where: WhereOption = None, json: JsonOption = False) -> None:
    """Every document with its chunks and groups, or those that conditions hold of."""
    from ingest.store import KnowledgeBase
    from ui.console import emit_json

    records = KnowledgeBase.open(kb).documents(conditions(where))
    documents = [_jsonable(asdict(record)) for record in records]
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
def verify(
    kb: KbOption,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended, and say what was done.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Recompute hashes, counts and vector/row agreement; exit 0 only if all is well.

    A repair makes the vector file, the word index and the counts anew from the tables. Documents
    whose own rows are damaged are taken out and named (exit 3): ingest their files again.
    """
    from ui.console import emit_json

    done, lost, report = _mend(kb) if repair else ((), (), _look(kb))
    problems = list(report.problems)
    if json:
        repaired = {"done": done, "lost": lost} if repair else {}
        emit_json({"ok": not problems and not lost, **_jsonable({**asdict(report), **repaired})})
    else:
        for line in done:
            typer.echo(line)
        for path in lost:
            typer.echo(f"taken out, ingest it again: {path}")
        typer.echo("\n".join(problems) if problems else "All is well.")
    if problems or lost:
        raise typer.Exit(NOT_WELL)


def _look(kb: Path) -> VerifyReport:
    from ingest.manifest import read_manifest
    from ingest.verify import verify

    # Not through a KnowledgeBase: one whose vector file is gone cannot be opened.
    return verify(kb, read_manifest(kb))


def _mend(kb: Path) -> tuple[tuple[str, ...], tuple[str, ...], VerifyReport]:
    from ingest.repair import repair

    report = repair(kb)
    return report.done, report.lost, report.after


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


def _line(value: Any) -> str:
    """A fact for people: what is inside it, without brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items() if item != {})
    if isinstance(value, list):
        return "; ".join(map(_line, value)) or "none"
    return "none" if value in (None, "") else str(value)
