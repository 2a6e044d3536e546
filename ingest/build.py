"""Paths in, a new generation of the knowledge base out: the whole job, transactional."""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ingest.accounts import Accounts
from ingest.chunk import ChunkSettings
from ingest.commit import commit
from ingest.errors import KnowledgeBaseError, KnowledgeBaseMissing
from ingest.intake import Intake
from ingest.load import Limits, discover
from ingest.lock import NAME as LOCK
from ingest.lock import writer_lock
from ingest.manifest import DATABASE, Manifest, check_embedder, read_manifest
from ingest.plan import Plan
from ingest.progress import SILENT, Progress
from ingest.schema import connect_reader, connect_scratch, connect_writer
from ingest.sink import Sink
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
) -> IngestReport:
    """Add, update and skip what is under `paths`; readers see all of it or nothing.

    Documents get exactly `groups`; none means that everyone may see them. `prune` removes
    documents under `paths` whose files are gone. A dry run writes nothing and embeds nothing.
    Raises KnowledgeBaseBusy, IncompatibleKnowledgeBase, KnowledgeBaseError (disk full, damaged).
    """
    began = time.monotonic()
    directory, roots = Path(kb), [Path(path) for path in paths]
    limits, chunking = limits or Limits(), chunking or ChunkSettings()
    manifest = _existing(directory, embedder)
    sources, failures = discover(roots, limits, skip=[directory])
    if not dry_run and manifest is None and not sources:
        # Nothing to ingest must not leave an empty base behind.
        return _only_failures(failures, progress, time.monotonic() - began)
    with ExitStack() as stack, _plain_errors(directory):
        if dry_run:
            connection = stack.enter_context(closing(_view(directory, manifest)))
        else:
            _prepare(directory)
            stack.enter_context(writer_lock(directory))
            # Another job may have committed between the first look and the lock.
            manifest = _existing(directory, embedder)
            connection = stack.enter_context(closing(connect_writer(directory)))
        writer = None if dry_run else Writer(connection, manifest)
        if writer is not None:
            writer.begin(embedder)
        accounts = Accounts(Plan(connection, manifest.generation if manifest else 0), progress)
        sink = Sink(writer, embedder, chunking, groups, progress)
        intake = Intake(accounts, sink, writer, limits, chunking, groups, progress)
        for failure in failures:
            accounts.fail(failure)
        intake.take(sources)
        if prune:
            intake.prune(roots)
        if writer is not None:
            progress.start("index", None)
            commit(writer, directory, manifest, embedder, chunking)
        return accounts.report(time.monotonic() - began)


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


def _prepare(directory: Path) -> None:
    """Make the directory. Refuses one that holds something else."""
    if directory.exists() and not directory.is_dir():
        raise KnowledgeBaseError(directory, "is not a directory")
    directory.mkdir(parents=True, exist_ok=True)
    inside = {entry.name for entry in directory.iterdir()}
    if inside and not inside & {DATABASE, LOCK}:
        raise KnowledgeBaseError(directory, "is not empty and is no knowledge base")


def _view(directory: Path, manifest: Manifest | None) -> sqlite3.Connection:
    return connect_scratch() if manifest is None else connect_reader(directory)


@contextmanager
def _plain_errors(directory: Path) -> Iterator[None]:
    """What the disk or the database says, as one line. The last generation is intact then."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        problem = _DISK_FULL if full else f"{DATABASE}: {error}"
        raise KnowledgeBaseError(directory, problem) from error
    except OSError as error:
        full = error.errno in _FULL
        problem = _DISK_FULL if full else f"cannot be written: {error.strerror or error}"
        raise KnowledgeBaseError(directory, problem) from error


_DISK_FULL = "the disk is full; what was committed before is intact, run again to go on"
