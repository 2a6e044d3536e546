"""From paths to parsed documents: a walk that misses nothing, and readers that can do no harm."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.corpus import is_corpus
from ingest.errors import ExtraMissing
from ingest.files import open_regular, reason_of
from ingest.isolation import Pending, TaskFailed, Workers
from ingest.kinds import sniff
from ingest.pages import EVERYTHING, Member, Page, Reach
from ingest.readers.border import guarded
from ingest.readers.plain import PLAIN_READERS
from ingest.tasks import Result, holds_many, read_file, read_on
from ingest.types import Failure

_SMALL = 256 << 10
_MIB = 1 << 20
_AHEAD = 8
_AHEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: wall seconds, bytes on disk, bytes of memory; and reader processes.

    `workers` processes of `memory_bytes` each run at most. With `ocr` pictures of text are read,
    which takes seconds a page. Raises ExtraMissing where that is not installed.
    """

    seconds: float = 60.0
    file_bytes: int = 256 << 20
    memory_bytes: int = 4 << 30
    workers: int = 2
    ocr: bool = False

    def __post_init__(self) -> None:
        if self.ocr and find_spec("rapidocr") is None:
            raise ExtraMissing("ocr", "--ocr")


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
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discover(
    paths: Sequence[Path], limits: Limits, skip: Collection[Path] = ()
) -> tuple[list[Source], list[Failure]]:
    """Every file under `paths`, each once, in the order of `paths` and sorted within each.

    Hidden files and directories in a tree are no documents. Links that lead out of their tree
    are not followed. Folders in `skip` are not entered (a knowledge base among its documents).
    Whatever is met and cannot be a document is a failure with its reason.
    """
    found: dict[Path, Source] = {}
    failed: dict[str, Failure] = {}
    for met in meet(paths, limits, skip):
        if isinstance(met, Failure):
            failed.setdefault(met.path, met)
        else:
            found.setdefault(met.path, met)
    return list(found.values()), list(failed.values())


def meet(
    paths: Sequence[Path], limits: Limits, skip: Collection[Path] = ()
) -> Iterator[Source | Failure]:
    """What `discover` gives, as it is met; what lies under two of the paths comes twice."""
    walk = _Walk(limits, frozenset(folder.resolve() for folder in skip))
    for path in paths:
        yield from walk.under(path)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Meets what lies under a path."""

    limits: Limits
    skip: frozenset[Path]

    def under(self, path: Path) -> Iterator[Source | Failure]:
        try:
            root = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            yield _failure(path.absolute(), reason_of(error))
            return
        if root.is_dir():
            yield from self._tree(root)
        else:
            yield self._look_at(root)

    def _tree(self, root: Path) -> Iterator[Source | Failure]:
        # Depth first without recursion: trees may be deeper than Python's stack. Names, not
        # paths: a folder may hold very many.
        waiting = [(root.parent, [root.name])]
        while waiting:
            folder, names = waiting[-1]
            if not names:
                waiting.pop()
                continue
            here = folder / names.pop()
            if here.is_symlink():
                yield from self._follow(here, root)
            elif not here.is_dir():
                yield self._look_at(here)
            elif here not in self.skip:
                try:
                    inside = [entry.name for entry in here.iterdir() if entry.name[0] != "."]
                except OSError as error:
                    yield _failure(here, reason_of(error))
                else:
                    waiting.append((here, sorted(inside, reverse=True)))

    def _follow(self, link: Path, root: Path) -> Iterator[Source | Failure]:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            yield _failure(link, f"broken symbolic link: {reason_of(error)}")
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
            # Corpora, mailboxes and archives are read piece by piece: their size is no danger.
            large = not problem and not corpus and status.st_size > self.limits.file_bytes
            large = large and not holds_many(path)
        except OSError as error:
            return _failure(path, reason_of(error))
        if large:
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


class Loader:
    """Reads files in order, some ahead of the caller, in worker processes.

    Of a file that holds many documents the first page is read ahead; `members` reads on.

    At most a few files and `64 MiB` of them are ahead, so memory stays flat. Small plain kinds
    are read in this process: decoding and scanning lines is quicker than asking for it.
    """

    def __init__(self, limits: Limits) -> None:
        self._workers = Workers(limits.workers, limits.seconds, limits.memory_bytes)
        self._ahead = _AHEAD * limits.workers
        self._most = limits.file_bytes
        self._ocr = limits.ocr

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

    def members(self, source: Source, first: Page) -> Iterator[Member]:
        """All that a file holds, in order, from the page that `load` gave for it."""
        path, page, reach = str(source.path), first, Reach(ocr=self._ocr)
        while page.following is not None:
            # The next page is read while the caller is busy with this one.
            start = page.following
            pending = None if page.reason else self._workers.submit(read_on, path, start, reach)
            yield from page.members
            page = self._page(path, start, pending, page.reason)
        yield from page.members

    def _page(self, path: str, start: int, pending: Pending[Page] | None, reason: str) -> Page:
        """A page that was begun; where its task does not survive, ever less of it."""
        if pending is not None:
            try:
                reach = Reach(ocr=self._ocr)
                return self._workers.collect(pending, read_on, path, start, reach)
            except TaskFailed as error:
                reason = error.reason
        for depth in (EVERYTHING, 0, -1):
            arguments = (path, start, Reach(1, depth, reason, self._ocr))
            try:
                begun = self._workers.submit(read_on, *arguments)
                return self._workers.collect(begun, read_on, *arguments)
            except TaskFailed as error:
                reason = error.reason
        return Page((Member(path, Failure(path, reason)),), None)

    def _begin(self, source: Source) -> Callable[[], Result]:
        """Begin to read; the returned function waits for the result."""
        path = str(source.path)
        if source.size <= _SMALL:
            try:
                with open_regular(source.path) as file:
                    data = file.read(_SMALL + 1)
            except OSError as error:
                return partial(Failure, path, reason_of(error))
            kind = sniff(data, source.path.name)
            if kind is not None and kind in PLAIN_READERS and len(data) <= _SMALL:
                return partial(guarded, PLAIN_READERS[kind], data, path)
        pending = self._workers.submit(read_file, path, self._most, self._ocr)
        return partial(self._collect, pending, source)

    def _collect(self, pending: Pending[Result], source: Source) -> Result:
        path = str(source.path)
        try:
            return self._workers.collect(pending, read_file, path, self._most, self._ocr)
        except TaskFailed as error:
            return self._survivors(source, error.reason)

    def _survivors(self, source: Source, reason: str) -> Result:
        """A file that holds many documents is begun again, more carefully."""
        path = str(source.path)
        try:
            many = holds_many(source.path)
        except OSError as error:
            return Failure(path, reason_of(error))
        return Page((), 0, reason) if many else Failure(path, reason)
