"""`surefoot ingest`: files into a knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ui.options import GroupOption, JsonOption, KbOption, Stopped

PARTLY_FAILED = 3


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, or .jsonl(.gz) corpora.")],
    kb: KbOption,
    group: GroupOption = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done; change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option(help="Remove documents under PATHS whose files are gone.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that one file may take to read.")] = 60.0,
    json: JsonOption = False,
) -> None:
    """Add files to a knowledge base; unchanged ones are skipped, changed ones replaced.

    Hidden files are passed over. Every file that can't be read is named with its reason (exit 3).
    Stopped midway, the last complete knowledge base still answers; run it again to finish.

    Examples:

      surefoot ingest ~/Documents --kb ~/kb

      surefoot ingest hr/ --kb ~/kb --group hr --prune
    """
    from ingest.build import ingest as build
    from ingest.load import Limits
    from rag.assemble import open_embedder
    from ui.console import IngestProgress, emit_json

    embedder = open_embedder()
    with IngestProgress() as progress:
        try:
            report = build(
                paths,
                kb,
                embedder,
                groups=frozenset(group or ()),
                dry_run=dry_run,
                prune=prune,
                limits=Limits(seconds=timeout),
                progress=progress,
            )
        except KeyboardInterrupt:
            raise Stopped("stopped: finished files are kept; the same command goes on") from None
    if json:
        emit_json(asdict(report))
    else:
        typer.echo(_summary(report, kb, dry_run))
    if report.failed:
        raise typer.Exit(PARTLY_FAILED)


def _summary(report: object, kb: Path, dry_run: bool) -> str:
    from ingest.types import IngestReport

    assert isinstance(report, IngestReport)
    counts = (
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.removed} removed, {report.duplicates} duplicates, {len(report.failed)} failed"
    )
    lines = [f"{'Would be: ' if dry_run else ''}{counts}"]
    lines += [f"  failed: {failure.path}: {failure.reason}" for failure in report.failed]
    lines.append(f"{report.chunks} chunks in {kb} ({report.seconds:.1f} s)")
    if report.added and not dry_run:
        lines.append(f'Next: surefoot ask "your question" --kb {kb}')
    return "\n".join(lines)
