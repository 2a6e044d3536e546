"""`surefoot ingest`: files into a knowledge base, once or as they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.options import GroupOption, JsonOption, KbOption, Stopped

if TYPE_CHECKING:
    from ingest.indexing import IndexSettings
    from ingest.load import Limits
    from ingest.plan import Change
    from ingest.progress import Progress
    from ingest.types import IngestReport
    from rag.scan import ScanReport

    Build = Callable[..., IngestReport]


class Index(StrEnum):
    """How vectors are searched; `auto` goes by their number and the memory there is."""

    auto = "auto"
    flat = "flat"
    hnsw = "hnsw"
    ivf = "ivf"


IndexOption = Annotated[
    Index | None, typer.Option(help="How to search vectors from now on; auto is by number.")
]
PruneOption = Annotated[
    bool, typer.Option(help="Remove documents under PATHS whose files are gone.")
]
PollOption = Annotated[
    bool, typer.Option(help="With --watch: look in turn, as network drives need.")
]
WaitOption = Annotated[
    float, typer.Option(min=0, help="Seconds to wait for another writer to finish.")
]
TimeoutOption = Annotated[
    float | None, typer.Option(help="Seconds that one file may take to read: 60, with --ocr 600.")
]
OcrOption = Annotated[
    bool, typer.Option("--ocr", help="Read scanned pages and pictures too; seconds a page.")
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Read files again that failed and are unchanged.")
]
NoScanOption = Annotated[
    bool,
    typer.Option("--no-scan", help="Scan passages for instructions only once they are asked for."),
]
PARTLY_FAILED = 3
_SECONDS = 60.0
_OCR_SECONDS = 600.0
STOPPED = "stopped: finished files are kept; the same command goes on where this one stopped"


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, or .jsonl(.gz) corpora.")],
    kb: KbOption,
    group: GroupOption = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done; change nothing.")] = False,
    prune: PruneOption = False,
    watch: Annotated[bool, typer.Option(help="Then follow PATHS until Ctrl-C.")] = False,
    poll: PollOption = False,
    wait: WaitOption = 0.0,
    timeout: TimeoutOption = None,
    ocr: OcrOption = False,
    retry_failed: RetryOption = False,
    index: IndexOption = None,
    no_scan: NoScanOption = False,
    json: JsonOption = False,
) -> None:
    """Add files to a knowledge base; unchanged ones are skipped, changed ones replaced.

    Hidden files are passed over. Every file that can't be read is named each time with its reason
    (exit 3), and read again once it, a limit or the program changes. Stopped midway, the last
    complete knowledge base still answers; run it again to finish.

    In the end new passages are scanned for sentences that try to instruct the assistant. It does
    not read those; the documents are named here.

    All settings are these options, and a folder's .surefoot.toml, which says who may see what is
    in it (groups = ["hr"]). surefoot.toml is about search and answers and changes nothing here.

    Examples:

      surefoot ingest ~/Documents --kb ~/kb

      surefoot ingest hr/ --kb ~/kb --group hr --prune --dry-run

      surefoot ingest ~/Documents --kb ~/kb --prune --watch
    """
    from ingest.build import ingest as build
    from rag.assemble import open_bulk_embedder

    if watch and dry_run:
        raise typer.BadParameter("--watch and --dry-run exclude each other")
    job = _Job(
        partial(
            build,
            paths,
            kb,
            open_bulk_embedder(),
            groups=frozenset(group or ()),
            dry_run=dry_run,
            prune=prune,
            retry_failed=retry_failed,
            limits=_limits(timeout, ocr),
            index=_searched(index),
            wait=wait,
            waiting=_waiting,
        ),
        kb,
        not (dry_run or no_scan),
    )
    _run(job, paths, dry_run, poll if watch else None, json)


def _run(job: _Job, paths: list[Path], dry_run: bool, poll: bool | None, json: bool) -> None:
    """Once, and then as `poll` says how to follow; None is once only."""
    try:
        report = _once(job, job.kb, dry_run, poll is not None, json)
    except KeyboardInterrupt:
        raise Stopped(STOPPED) from None
    if poll is not None:
        _follow(job, paths, job.kb, poll, json, report)
    elif report.failed:
        raise typer.Exit(PARTLY_FAILED)


def _limits(timeout: float | None, ocr: bool) -> Limits:
    from ingest.load import Limits

    return Limits(seconds=timeout or (_OCR_SECONDS if ocr else _SECONDS), ocr=ocr)


@dataclass(frozen=True, slots=True)
class _Job:
    """A build of the base, and the scan after it, if there is to be one."""

    build: Build
    kb: Path
    scan: bool

    def run(self, progress: Progress, **how: Any) -> tuple[IngestReport, ScanReport | None]:
        from ui.scanned import scanned

        report = self.build(progress=progress, **how)
        return report, scanned(self.kb, progress) if self.scan else None


def _searched(index: Index | None) -> IndexSettings:
    from ingest.indexing import IndexSettings

    return IndexSettings(choice=index.value if index is not None else None)


def _once(job: _Job, kb: Path, dry_run: bool, watch: bool, json: bool) -> IngestReport:
    """One job and its report. A dry run and a watch name every document that is not unchanged."""
    from ui.console import IngestProgress, emit_json
    from ui.scanned import scan_json, scan_lines

    changes: list[Change] = []
    with IngestProgress() as progress:
        told = changes.append if dry_run or watch else None
        report, scan = job.run(progress, changed=told)
    if json:
        plan = {"plan": list(map(asdict, changes))} if dry_run else {}
        emit_json(asdict(report) | plan | scan_json(scan))
        return report
    for change in changes:
        typer.echo(_line(change))
    for line in scan_lines(scan):
        typer.echo(line)
    typer.echo(_summary(report, kb, dry_run))
    return report


def _follow(
    job: _Job, paths: list[Path], kb: Path, poll: bool, json: bool, last: IngestReport
) -> None:
    """A job for each burst of changes. Ctrl-C between two of them is a clean end."""
    from ingest.watch import changes
    from ui.console import ERR

    ERR.print(f"Following {', '.join(map(str, paths))}; Ctrl-C ends it.", markup=False)
    working = False
    try:
        for _ in changes(paths, kb, poll=poll):
            working = True
            last = _again(job, json, last)
            working = False
    except KeyboardInterrupt:
        if working:
            raise Stopped(STOPPED) from None
        ERR.print("No longer following.")


def _again(job: _Job, json: bool, last: IngestReport) -> IngestReport:
    """One more job; what failed in the last one in the same way is not told of again."""
    from ui.console import IngestProgress, emit_json
    from ui.scanned import scan_json, scan_lines

    changes: list[Change] = []
    with IngestProgress(failures=False) as progress:
        # Whoever follows has time: another writer is no reason to end.
        report, scan = job.run(progress, changed=changes.append, wait=float("inf"))
    failures = [failure for failure in report.failed if failure not in last.failed]
    if json and (changes or failures):
        emit_json(asdict(report) | {"changes": list(map(asdict, changes))} | scan_json(scan))
    elif not json:
        for change in changes:
            typer.echo(_line(change))
        for failure in failures:
            typer.echo(f"{'failed':<9} {failure.path}: {failure.reason}")
        for line in scan_lines(scan):
            typer.echo(line)
    return report


def _waiting(holder: str) -> None:
    from ui.console import ERR

    ERR.print(f"waiting for {holder}", markup=False)


def _line(change: Change) -> str:
    where = change.path if change.path == change.document else f"{change.document} ({change.path})"
    return f"{change.outcome:<9} {where}{f' (was {change.was})' if change.was else ''}"


def _summary(report: IngestReport, kb: Path, dry_run: bool) -> str:
    counts = (
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.removed} removed, {report.duplicates} duplicates, {len(report.failed)} failed"
    )
    lines = [f"{'Would be: ' if dry_run else ''}{counts}"]
    lines += [f"  failed: {failure.path}: {failure.reason}" for failure in report.failed]
    if any(Path(failure.path).exists() for failure in report.failed) and not dry_run:
        lines.append("  Damaged files are read again when they change, or with --retry-failed.")
    lines.append(f"{report.chunks} new chunks for {kb} ({report.seconds:.1f} s)")
    if report.added and not dry_run:
        lines.append(f'Next: surefoot ask "your question" --kb {kb}')
    return "\n".join(lines)
