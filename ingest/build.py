"""Paths in, a new generation of the knowledge base out: the whole job, transactional."""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import disk_usage

from ingest.accounts import Accounts
from ingest.chunk import ChunkSettings
from ingest.commit import commit
from ingest.errors import KnowledgeBaseError, KnowledgeBaseMissing
from ingest.failures import KnownFailures
from ingest.indexing import IndexSettings
from ingest.intake import Intake
from ingest.load import Limits, Source, meet
from ingest.lock import NAME as LOCK
from ingest.lock import writer_lock
from ingest.manifest import DATABASE, Manifest, check_embedder, read_manifest
from ingest.plan import Change, Plan
from ingest.progress import SILENT, Progress
from ingest.schema import connect_reader, connect_scratch, connect_writer
from ingest.sink import Sink
from ingest.spool import Spool
from ingest.types import Embedder, Failure, IngestReport
from ingest.writer import Writer

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def ingest(
    paths: Sequence[Path | str],
    kb: Path | str,
    embedder: Embedder,
    *,
    groups: frozenset[str] = frozenset(),
    dry_run: bool = False,
    prune: bool = False,
    limits: Limits | None = None,
    chunking: ChunkSettings | None = None,
    progress: Progress = SILENT,
    wait: float = 0.0,
    waiting: Callable[[str], None] | None = None,
    changed: Callable[[Change], None] | None = None,
    index: IndexSettings | None = None,
    retry_failed: bool = False,
) -> IngestReport:
    """Add, update and skip what is under `paths`; readers see all of it or nothing.

    Documents get exactly `groups`; none means that everyone may see them. `prune` removes
    documents under `paths` whose files are gone. A dry run writes nothing and embeds nothing.
    Another writer is waited for up to `wait` seconds; `waiting` is told who it is. `changed` is
    told of each document that changes, once that is committed. `index` says how to search.
    Files that failed are read again when they, `limits` or the program change, or with
    `retry_failed`; all are reported each time.
    Raises KnowledgeBaseBusy, IncompatibleKnowledgeBase, KnowledgeBaseError (disk full, damaged).
    """
    began = time.monotonic()
    directory, roots = Path(kb), [Path(path) for path in paths]
    limits, chunking = limits or Limits(), chunking or ChunkSettings()
    manifest = _existing(directory, embedder)
    with ExitStack() as stack, _plain_errors(directory):
        spool, failures = _met(roots, limits, directory, stack)
        if not dry_run and manifest is None and not len(spool):
            # Nothing to ingest must not leave an empty base behind.
            return _only_failures(failures, progress, time.monotonic() - began)
        if not dry_run:
            prepare(directory)
            if stack.enter_context(writer_lock(directory, wait, waiting)):
                spool, failures = _met(roots, limits, directory, stack)
            # Another job may have committed between the first look and the lock.
            manifest = _existing(directory, embedder)
        connection = stack.enter_context(closing(_connection(directory, manifest, dry_run)))
        writer = None if dry_run else Writer(connection, manifest)
        if writer is not None:
            writer.begin(embedder)
        accounts = Accounts(Plan(connection, manifest.generation if manifest else 0), progress)
        sink = Sink(writer, embedder, chunking, groups, progress)
        known = KnownFailures(connection, limits, writes=not dry_run, retry=retry_failed)
        intake = Intake(accounts, sink, writer, known, limits, chunking, groups, progress)
        for failure in failures:
            accounts.fail(failure)
        intake.take(spool)
        if prune:
            intake.prune(roots)
        if writer is not None:
            progress.start("index", None)
            commit(writer, directory, manifest, embedder, chunking, index)
        _tell(accounts.plan, changed)
        return accounts.report(time.monotonic() - began)


def _met(
    roots: Sequence[Path], limits: Limits, directory: Path, stack: ExitStack
) -> tuple[Spool, list[Failure]]:
    """What lies under `roots`; on the disk, so that memory does not grow with it."""
    failures: dict[str, Failure] = {}

    def sources() -> Iterator[Source]:
        for met in meet(roots, limits, skip=[directory]):
            if isinstance(met, Source):
                yield met
            else:
                failures.setdefault(met.path, met)

    spool = stack.enter_context(closing(Spool(sources())))
    return spool, list(failures.values())


def _tell(plan: Plan, changed: Callable[[Change], None] | None) -> None:
    if changed is not None:
        for change in plan.changes():
            changed(change)


def _existing(directory: Path, embedder: Embedder) -> Manifest | None:
    try:
        manifest = read_manifest(directory)
    except KnowledgeBaseMissing:
        return None
    check_embedder(directory, manifest, embedder)
    return manifest


def _only_failures(failures: list[Failure], progress: Progress, seconds: float) -> IngestReport:
    for failure in failures:
        progress.failed(failure.path, failure.reason)
    return IngestReport(0, 0, 0, 0, 0, tuple(failures), 0, seconds)


def prepare(directory: Path) -> None:
    """Make the directory of a knowledge base. Raises KnowledgeBaseError where other things lie."""
    if directory.exists() and not directory.is_dir():
        raise KnowledgeBaseError(directory, "is not a directory")
    directory.mkdir(parents=True, exist_ok=True)
    inside = {entry.name for entry in directory.iterdir()}
    if inside and not inside & {DATABASE, LOCK}:
        raise KnowledgeBaseError(directory, "is not empty and is no knowledge base")


def _connection(directory: Path, manifest: Manifest | None, dry_run: bool) -> sqlite3.Connection:
    if not dry_run:
        return connect_writer(directory)
    return connect_scratch() if manifest is None else connect_reader(directory)


@contextmanager
def _plain_errors(directory: Path) -> Iterator[None]:
    """What the disk or the database says, as one line. The last generation is intact then."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        problem = _DISK_FULL if _is_full(error, directory) else f"{DATABASE}: {error}"
        raise KnowledgeBaseError(directory, problem) from error
    except OSError as error:
        full = error.errno in _FULL
        problem = _DISK_FULL if full else f"cannot be written: {error.strerror or error}"
        raise KnowledgeBaseError(directory, problem) from error


def _is_full(error: sqlite3.DatabaseError, directory: Path) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    # What SQLite maps into memory it cannot extend on a full disk, which it calls an I/O error.
    crowded = name.startswith("SQLITE_IOERR") and disk_usage(directory).free < _LITTLE_BYTES
    return name == "SQLITE_FULL" or crowded


_LITTLE_BYTES = 256 << 10
_DISK_FULL = "the disk is full; what was committed before is intact, run again to go on"
