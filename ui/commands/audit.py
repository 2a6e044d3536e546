"""`surefoot audit`: the log of who was answered, and how, without what was asked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption, KbOption

if TYPE_CHECKING:
    from rag.audit_chain import AuditReport, Line

BROKEN = 4

app = typer.Typer(help="Check and read the audit log of a knowledge base.", no_args_is_help=True)


@app.command("verify")
def verify(kb: KbOption, json: JsonOption = False) -> None:
    """Find any edit, gap or cut in the audit log. Exit 0 if there is none, else 4.

    A log that was sealed with a key needs it in SUREFOOT_AUDIT_KEY.
    """
    from rag.audit import audit_key, checked
    from ui.console import emit_json

    report = checked(_folder(kb), audit_key())
    if json:
        emit_json({"ok": report.ok, **asdict(report)})
    else:
        typer.echo(_words(report))
    if not report.ok:
        raise typer.Exit(BROKEN)


@app.command("show")
def show(
    kb: KbOption,
    last: Annotated[int, typer.Option(min=1, help="How many lines, from the end.")] = 20,
    json: JsonOption = False,
) -> None:
    """The last lines of the audit log, oldest first; they are not checked here."""
    from collections import deque

    from rag.audit_chain import read_lines
    from ui.console import emit_json

    lines = deque(read_lines(_folder(kb)), maxlen=last)
    if json:
        emit_json({"lines": list(lines)})
        return
    for line in lines:
        typer.echo(_row(line))


def _folder(kb: Path) -> Path:
    from rag.audit import AuditMissing
    from rag.audit_chain import log_files

    folder = kb / "audit"
    if not log_files(folder) and not (folder / "head.json").exists():
        raise AuditMissing(folder)
    return folder


def _words(report: AuditReport) -> str:
    notes = f"{report.lines:,} lines in {report.files} files, {report.keyed:,} sealed with a key"
    if report.lost:
        notes += f"; {report.lost:,} could not be written"
    if report.torn:
        notes += f"; {report.torn:,} were cut off when a writer was killed"
    return f"{notes}\n{report.problem or 'No edit, no gap.'}"


def _row(line: Line) -> str:
    who = line.get("by") or "-"
    known = {"at", "kind", "by", "seq", "hash", "prev", "keyed", "model_sha256", "trace_sha256"}
    rest = " ".join(f"{name}={value}" for name, value in line.items() if name not in known)
    return f"{line['seq']:>7}  {line.get('at', '')}  {line.get('kind', ''):<10} {who}  {rest}"
