"""From paths to parsed documents: a walk that misses nothing, and readers that can do no harm."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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


def discover(
    paths: Sequence[Path], limits: Limits, skip: Collection[Path] = ()
) -> tuple[list[Source], list[Failure]]:
    """Every file under `paths`, each once, in the order of `paths` and sorted within each.

    Hidden files and directories in a tree are no documents. Links that lead out of their tree
    are not followed. Folders in `skip` are not entered (a knowledge base among its documents).
    Whatever is met and cannot be a document is a failure with its reason.
    """
    walk = _Walk(limits, frozenset(folder.resolve() for folder in skip))
    found: dict[Path, Source] = {}
    failed: dict[str, Failure] = {}
    for path in paths:
        for met in walk.under(path):
            if isinstance(met, Failure):
                failed.setdefault(met.path, met)
            else:
                found.setdefault(met.path, met)
    return list(found.values()), list(failed.values())


@dataclass(frozen=True, slots=True)
class _Walk:
    """Meets what lies under a path."""

    limits: Limits
    skip: frozenset[Path]

    def under(self, path: Path) -> Iterator[Source | Failure]:
        try:
            root = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            yield _failure(path.absolute(), _reason(error))
            return
        if root.is_dir():
            yield from self._tree(root)
        else:
            yield self._look_at(root)

    def _tree(self, root: Path) -> Iterator[Source | Failure]:
        # Depth first without recursion: trees may be deeper than Python's stack.
        waiting = [root]
        while waiting:
            here = waiting.pop()
            if here.is_symlink():
                yield from self._follow(here, root)
            elif not here.is_dir():
                yield self._look_at(here)
            elif here not in self.skip:
                try:
                    inside = sorted(entry for entry in here.iterdir() if entry.name[0] != ".")
                except OSError as error:
                    yield _failure(here, _reason(error))
                else:
                    waiting.extend(reversed(inside))

    def _follow(self, link: Path, root: Path) -> Iterator[Source | Failure]:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            yield _failure(link, f"broken symbolic link: {_reason(error)}")
            return
        if not target.is_relative_to(root):
            yield _failure(link, f"symbolic link out of the tree, not followed: {target}")
        elif not target.is_dir():
            # A folder inside the tree is walked anyway, and a link to a parent would never end.
            yield self._look_at(target)

    def _look_at(self, path: Path) -> Source | Failure:
        try:
            status = path.stat()
            problem = self._problem(path, status)
            corpus = not problem and is_corpus(path)
        except OSError as error:
            return _failure(path, _reason(error))
        # A corpus is streamed line by line, so its size is no danger.
        if not problem and not corpus and status.st_size > self.limits.file_bytes:
            size, most = status.st_size / _MIB, self.limits.file_bytes / _MIB
            problem = f"too large: {size:.1f} MiB, at most {most:.1f} MiB are read"
        if problem:
            return _failure(path, problem)
        return Source(path, status.st_size, status.st_mtime_ns, status.st_ino, corpus)

    def _problem(self, path: Path, status: os.stat_result) -> str:
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        if not os.access(path, os.R_OK):
            return "permission denied"
        if _printable(path) != str(path):
            return "its name is not valid text"
        return ""


def _printable(path: Path) -> str:
    """The path with "?" for bytes of its name that are no text, which no store would take."""
    return str(path).encode("utf-8", errors="replace").decode("utf-8")


def _failure(path: Path, reason: str) -> Failure:
    return Failure(_printable(path), reason)


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
        queue: deque[tuple[Source, Callable[[], Result]]] = deque()
        size = 0
        for source in sources:
            queue.append((source, self._begin(source)))
            size += source.size
            while queue and (len(queue) > self._ahead or size > _AHEAD_BYTES):
                done, finish = queue.popleft()
                size -= done.size
                yield done, finish()
        while queue:
            done, finish = queue.popleft()
            yield done, finish()

    def _begin(self, source: Source) -> Callable[[], Result]:
        """Begin to read; the returned function waits for the result."""
        path = str(source.path)
        if source.size <= _SMALL:
            try:
                data = source.path.read_bytes()
            except OSError as error:
                return partial(Failure, path, _reason(error))
            kind = sniff(data, source.path.name)
            if kind is not None and kind in PLAIN_READERS:
                return partial(guarded, PLAIN_READERS[kind], data, path)
        return partial(self._collect, self._workers.submit(_read, path), path)

    def _collect(self, pending: Pending[Result], path: str) -> Result:
        try:
            return self._workers.collect(pending, _read, path)
        except TaskFailed as error:
            return Failure(path, error.reason)
