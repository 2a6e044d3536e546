"""From paths to parsed documents: a walk that misses nothing, and readers that can do no harm."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.corpus import is_corpus
from ingest.isolation import Pending, TaskFailed, Workers
from ingest.kinds import sniff
from ingest.readers.border import guarded, one_line
from ingest.readers.plain import PLAIN_READERS
from ingest.types import Failure, ParsedDocument

Result = ParsedDocument | Failure

_SMALL = 256 << 10
_MIB = 1 << 20
_AHEAD = 8
_AHEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: wall seconds, bytes on disk, bytes of memory; and reader processes.

    `workers` processes of `memory_bytes` each run at most.
    """

    seconds: float = 60.0
    file_bytes: int = 256 << 20
    memory_bytes: int = 4 << 30
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Source:
    """A regular file that was met, by its resolved absolute path, as `stat` saw it."""

    path: Path
    size: int
    mtime_ns: int
    inode: int
    is_corpus: bool


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discover(paths: Sequence[Path], limits: Limits) -> tuple[list[Source], list[Failure]]:
    """Every file under `paths`, each once, in the order of `paths` and sorted within each.

    Hidden files and directories in a tree are no documents. Links that lead out of their tree
    are not followed. Whatever is met and cannot be a document is a failure with its reason.
    """
    found: dict[Path, Source] = {}
    failed: dict[str, Failure] = {}
    for path in paths:
        for met in _walk(path, limits):
            if isinstance(met, Failure):
                failed.setdefault(met.path, met)
            else:
                found.setdefault(met.path, met)
    return list(found.values()), list(failed.values())


def _walk(path: Path, limits: Limits) -> Iterator[Source | Failure]:
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        yield Failure(str(path.absolute()), _reason(error))
        return
    if root.is_dir():
        yield from _walk_tree(root, root, limits)
    else:
        yield _look_at(root, limits)


def _walk_tree(folder: Path, root: Path, limits: Limits) -> Iterator[Source | Failure]:
    """Depth first without recursion: trees may be deeper than Python's stack."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here.is_symlink():
            yield from _follow(here, root, limits)
        elif here.is_dir():
            try:
                inside = sorted(entry for entry in here.iterdir() if entry.name[0] != ".")
            except OSError as error:
                yield Failure(str(here), _reason(error))
                continue
            waiting.extend(reversed(inside))
        else:
            yield _look_at(here, limits)


def _follow(link: Path, root: Path, limits: Limits) -> Iterator[Source | Failure]:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        yield Failure(str(link), f"broken symbolic link: {_reason(error)}")
        return
    if not target.is_relative_to(root):
        yield Failure(str(link), f"symbolic link out of the tree, not followed: {target}")
    elif not target.is_dir():
        # A folder inside the tree is walked anyway, and a link to a parent would never end.
        yield _look_at(target, limits)


def _look_at(path: Path, limits: Limits) -> Source | Failure:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Failure(str(path), "not a regular file")
        if not os.access(path, os.R_OK):
            return Failure(str(path), "permission denied")
        corpus = is_corpus(path)
    except OSError as error:
        return Failure(str(path), _reason(error))
    # A corpus is streamed line by line, so its size is no danger.
    if status.st_size > limits.file_bytes and not corpus:
        size, limit = status.st_size / _MIB, limits.file_bytes / _MIB
        return Failure(str(path), f"too large: {size:.1f} MiB, at most {limit:.1f} MiB are read")
    return Source(path, status.st_size, status.st_mtime_ns, status.st_ino, corpus)


def _reason(error: OSError | RuntimeError) -> str:
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, RuntimeError):
        return "symbolic links in a circle"
    return (error.strerror or one_line(error)).lower()


def _read(path: str) -> Result:
    """Read one file with the reader of its kind; runs in a worker process."""
    # Only workers load the parsers: they are heavy, and not trusted in this process.
    from ingest.readers.registry import read

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        return Failure(path, _reason(error))
    return guarded(read, data, path)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file whose reading has begun: bytes at hand for plain kinds, else a pending task."""

    source: Source
    local: tuple[str, bytes] | None = None
    pending: Pending[Result] | None = None
    failure: Failure | None = None


class Loader:
    """Reads files in order, some ahead of the caller, in worker processes.

    At most a few files and `64 MiB` of them are ahead, so memory stays flat. Small plain kinds
    are read in this process: decoding and scanning lines is quicker than asking for it.
    """

    def __init__(self, limits: Limits) -> None:
        self._workers = Workers(limits.workers, limits.seconds, limits.memory_bytes)
        self._ahead = _AHEAD * limits.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workers.close()

    def load(self, sources: Iterable[Source]) -> Iterator[tuple[Source, Result]]:
        """Each source with its document, or with why there is none, in the order given."""
        queue: deque[_Job] = deque()
        size = 0
        for source in sources:
            queue.append(self._begin(source))
            size += source.size
            while queue and (len(queue) > self._ahead or size > _AHEAD_BYTES):
                job = queue.popleft()
                size -= job.source.size
                yield job.source, self._finish(job)
        for job in queue:
            yield job.source, self._finish(job)

    def _begin(self, source: Source) -> _Job:
        if source.size <= _SMALL:
            try:
                data = source.path.read_bytes()
            except OSError as error:
                return _Job(source, failure=Failure(str(source.path), _reason(error)))
            kind = sniff(data, source.path.name)
            if kind is not None and kind in PLAIN_READERS:
                return _Job(source, local=(kind, data))
        return _Job(source, pending=self._workers.submit(_read, str(source.path)))

    def _finish(self, job: _Job) -> Result:
        path = str(job.source.path)
        if job.local is not None:
            kind, data = job.local
            return guarded(PLAIN_READERS[kind], data, path)
        if job.pending is None:
            return job.failure or Failure(path, "not read")
        try:
            return self._workers.collect(job.pending, _read, path)
        except TaskFailed as error:
            return Failure(path, error.reason)
