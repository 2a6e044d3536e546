"""What happens to each document that is met: skipped, shared, or read, chunked and written."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from ingest.accounts import Accounts
from ingest.chunk import VERSION, ChunkSettings
from ingest.corpus import CorpusDocument, read_corpus
from ingest.load import Limits, Loader, Source, content_hash
from ingest.plan import Found
from ingest.progress import Progress
from ingest.sink import Sink
from ingest.types import Failure, ParsedDocument
from ingest.writer import FileHash, Writer

_SETTLED_SECONDS = 2
_HASHES = 1000


class Intake:
    """Runs sources through decision, reading and the sink. One use."""

    def __init__(
        self,
        accounts: Accounts,
        sink: Sink,
        writer: Writer | None,
        limits: Limits,
        chunking: ChunkSettings,
        groups: frozenset[str],
        progress: Progress,
    ) -> None:
        self._accounts = accounts
        self._sink = sink
        self._writer = writer
        self._limits = limits
        self._progress = progress
        recipe = [VERSION, asdict(chunking), sorted(groups)]
        self._recipe = json.dumps(recipe, sort_keys=True)
        self._hashes: list[FileHash] = []
        self._whole_corpora: set[str] = set()

    def take(self, sources: Sequence[Source]) -> None:
        """Files first, then corpora; all is written when this returns."""
        self._progress.start("read", len(sources))
        self._progress.start("embed", None)
        self._files([source for source in sources if not source.is_corpus])
        for source in sources:
            if source.is_corpus:
                self._corpus(source)
                self._progress.advance("read")
        self._sink.flush()
        self._save_hashes()

    def _key(self, sha256: str) -> str:
        """Contents are the same when bytes, groups and the way of cutting are."""
        return hashlib.sha256(f"{sha256}\n{self._recipe}".encode()).hexdigest()

    def _files(self, sources: Sequence[Source]) -> None:
        hashes: dict[Path, str] = {}
        with Loader(self._limits) as loader:
            for source, result in loader.load(self._unsettled(sources, hashes)):
                self._file(source, result, hashes.pop(source.path))
                self._progress.advance("read")

    def _unsettled(self, sources: Sequence[Source], hashes: dict[Path, str]) -> Iterator[Source]:
        """The files that must be read; the others are settled by their hash alone."""
        for source in sources:
            try:
                sha256 = self._hash(source)
            except OSError as error:
                self._accounts.fail(Failure(str(source.path), _reason(error)))
            else:
                if not self._settled(source, self._key(sha256)):
                    hashes[source.path] = sha256
                    yield source
                    continue
            self._progress.advance("read")

    def _settled(self, source: Source, key: str) -> bool:
        name = str(source.path)
        decision = self._accounts.plan.decide(name, key)
        if decision.found is Found.NEW:
            return False
        self._accounts.settle(decision, name, name, key, name)
        return True

    def _file(self, source: Source, result: ParsedDocument | Failure, sha256: str) -> None:
        if isinstance(result, Failure):
            self._accounts.fail(result)
        elif not _is_same(source):
            self._accounts.fail(Failure(str(source.path), "changed while it was being read"))
        # A copy of it may have come first while this one was being read.
        elif not self._settled(source, self._key(sha256)):
            self._write(str(source.path), source, str(source.path), sha256, result)

    def _corpus(self, source: Source) -> None:
        """Each line is a document of its own; a file that cannot be opened is one failure."""
        failed = False
        try:
            for item in read_corpus(source.path):
                failed |= isinstance(item, Failure)
                if isinstance(item, Failure):
                    self._accounts.fail(item)
                else:
                    self._line(source, item)
        except OSError as error:
            failed = True
            self._accounts.fail(Failure(str(source.path), _reason(error)))
        if not failed:
            self._whole_corpora.add(str(source.path))

    def _line(self, source: Source, item: CorpusDocument) -> None:
        origin, key = f"{source.path}:{item.line}", self._key(f"corpus {item.sha256}")
        decision = self._accounts.plan.decide(item.id, key)
        if decision.found is Found.MET:
            self._accounts.repeat(decision, origin, item.id)
        elif decision.found is Found.NEW:
            self._write(item.id, source, origin, item.sha256, item.parsed)
        else:
            self._accounts.settle(decision, item.id, str(source.path), key, origin)

    def _write(
        self, identity: str, source: Source, origin: str, sha256: str, parsed: ParsedDocument
    ) -> None:
        key = self._key(f"corpus {sha256}" if source.is_corpus else sha256)
        size = len(parsed.text.encode()) if source.is_corpus else source.size
        chunks = self._sink.add(key, sha256, size, identity, parsed)
        if not chunks:
            self._accounts.fail(Failure(origin, "empty"))
            return
        self._accounts.count_chunks(chunks)
        decision = self._accounts.plan.decide(identity, key)
        self._accounts.settle(decision, identity, str(source.path), key, origin)

    def _hash(self, source: Source) -> str:
        """The file's hash; from memory where size, time and inode are what they were."""
        status = (str(source.path), source.size, source.mtime_ns, source.inode)
        known = self._accounts.plan.known_hash(*status)
        if known is not None:
            return known
        sha256 = content_hash(source.path)
        # A file that changed just now may change again within the clock's resolution.
        if time.time_ns() - source.mtime_ns > _SETTLED_SECONDS * 1_000_000_000:
            self._hashes.append(FileHash(*status, sha256))
            if len(self._hashes) >= _HASHES:
                self._save_hashes()
        return sha256

    def _save_hashes(self) -> None:
        if self._writer is not None and self._hashes:
            self._writer.add_hashes(self._hashes)
        self._hashes = []

    def prune(self, roots: Sequence[Path]) -> None:
        """Drop documents under `roots` whose files, or lines in their corpus, are gone.

        A root that does not exist prunes nothing: it may be a disk that is not mounted.
        """
        present = [root.resolve() for root in roots if root.exists()]
        for identity, path in list(self._accounts.plan.unmet()):
            inside = any(Path(path).is_relative_to(root) for root in present)
            if inside and (path in self._whole_corpora or _is_gone(Path(path))):
                self._accounts.remove(identity)


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        # Not to be seen is not the same as gone.
        return False
    return False


def _is_same(source: Source) -> bool:
    try:
        status = os.stat(source.path)  # noqa: PTH116
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (source.size, source.mtime_ns)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
