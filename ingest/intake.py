"""What happens to each document that is met: skipped, shared, or read, chunked and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.access import Access, Known
from ingest.accounts import Accounts
from ingest.chunk import VERSION, ChunkSettings
from ingest.corpus import CorpusDocument, read_corpus
from ingest.failures import KnownFailures
from ingest.files import is_gone, reason_of
from ingest.groups import GroupsUnclear, narrow
from ingest.hashes import Hashes, is_same
from ingest.load import Limits, Loader, Source
from ingest.notes import Note
from ingest.pages import SEPARATOR, Member, Page
from ingest.plan import Decision, Found
from ingest.progress import Progress
from ingest.sink import Sink
from ingest.spool import Spool
from ingest.types import Failure, ParsedDocument, Withheld
from ingest.writer import Writer


@dataclass(frozen=True, slots=True)
class _Document:
    """A document to be written. `path` is its file, `origin` what failures call it."""

    identity: str
    path: str
    origin: str
    known: Known
    size: int
    parsed: ParsedDocument


class Intake:
    """Runs sources through decision, reading and the sink. One use."""

    def __init__(
        self,
        accounts: Accounts,
        sink: Sink,
        writer: Writer | None,
        failures: KnownFailures,
        limits: Limits,
        chunking: ChunkSettings,
        groups: frozenset[str],
        progress: Progress,
    ) -> None:
        self._accounts = accounts
        self._sink = sink
        self._writer = writer
        self._failures = failures
        self._limits = limits
        self._progress = progress
        self._access = Access(groups, VERSION, chunking)
        self._hashes = Hashes(accounts.plan, writer)
        # Files of which every document was met in this job, and what of it failed.
        self._whole: set[str] = set()
        self._failed: set[str] = set()
        self._withheld: set[str] = set()

    def take(self, sources: Spool) -> None:
        """Files first, then corpora; all is written when this returns."""
        self._progress.start("read", len(sources))
        self._progress.start("embed", None)
        self._files(sources.files())
        for source in sources.corpora():
            self._corpus(source)
            self._progress.advance("read")
        self._sink.flush()
        self._drop_withheld()
        self._hashes.save()
        self._failures.sweep()

    def _files(self, sources: Iterator[Source]) -> None:
        waiting: dict[Path, Known] = {}
        with Loader(self._limits) as loader:
            for source, result in loader.load(self._unsettled(sources, waiting)):
                known = waiting.pop(source.path)
                if isinstance(result, Page):
                    self._container(source, loader.members(source, result), known)
                else:
                    self._file(source, result, known)
                self._progress.advance("read")

    def _unsettled(self, sources: Iterator[Source], waiting: dict[Path, Known]) -> Iterator[Source]:
        """The files that must be read; the others are settled by their hash alone."""
        for source in sources:
            path = str(source.path)
            try:
                known = self._access.known(self._hashes.of(source), source.path)
            except OSError as error:
                self._fail(Failure(path, reason_of(error)))
            except GroupsUnclear as error:
                self._fail(Withheld(path, f"groups: {error.reason}"))
            else:
                if not self._is_known(path, known.key):
                    waiting[source.path] = known
                    yield source
                    continue
            self._progress.advance("read")

    def _is_known(self, path: str, key: str) -> bool:
        """Whether all of a file could be settled, or failed before and would again."""
        if self._settled(path, path, key) or self._noted(path, key):
            return True
        failure = self._failures.find(path, key)
        if failure is not None:
            self._fail(failure)
        return failure is not None

    def _settled(self, identity: str, path: str, key: str) -> bool:
        decision = self._accounts.plan.decide(identity, key)
        if decision.found is Found.NEW:
            return False
        self._accounts.settle(decision, identity, path, key, identity)
        return True

    def _file(self, source: Source, result: ParsedDocument | Failure, known: Known) -> None:
        path = str(source.path)
        same, failure = is_same(source), None
        if isinstance(result, Failure):
            failure = self._fail(result)
        elif not same:
            self._fail(Failure(path, "changed while it was being read"))
        # A copy of it may have come first while this one was being read.
        elif not self._settled(path, path, known.key):
            failure = self._write(_Document(path, path, path, known, source.size, result))
        if same and failure is not None:
            self._failures.remember(known.key, failure)

    # Files of many documents

    def _container(self, source: Source, members: Iterator[Member], known: Known) -> None:
        path = str(source.path)
        notes = [self._member(path, member, known) for member in members]
        if not is_same(source):
            self._fail(Failure(path, "changed while it was being read"))
            return
        self._whole.add(path)
        failed = self._failures.inside(path, known.key, _reasons(notes))
        # Notes that nothing leads to would never be swept.
        kept = notes if failed is not None or any(note.key is not None for note in notes) else []
        if self._writer is not None:
            self._writer.add_notes(known.key, path, kept, failed)

    def _member(self, path: str, member: Member, around: Known) -> Note:
        name = member.identity[len(path) :]
        if isinstance(member.result, Failure):
            return self._failed_member(name, member.result)
        try:
            known = self._access.inside(around, member)
        except GroupsUnclear as error:
            closed = Withheld(member.identity, f"groups: {error.reason}")
            return self._failed_member(name, closed)
        identity, decision = member.identity, self._accounts.plan.decide(member.identity, known.key)
        if decision.found is Found.MET and not decision.same:
            # Two documents of one name: nothing is lost, and the names do not depend on order
            # for all but the first.
            identity = f"{identity}~{known.sha256[:12]}"
            decision = self._accounts.plan.decide(identity, known.key)
        if decision.found is Found.NEW:
            document = _Document(identity, path, identity, known, member.size, member.result)
            failure = self._write(document)
            if failure is not None:
                return self._note(identity[len(path) :], failure)
        else:
            self._again(decision, identity, path, known.key)
        return Note(identity[len(path) :], known.key)

    def _failed_member(self, name: str, failure: Failure) -> Note:
        self._fail(failure)
        return self._note(name, failure)

    def _note(self, name: str, failure: Failure) -> Note:
        return Note(name, None, failure.reason, isinstance(failure, Withheld))

    def _again(self, decision: Decision, identity: str, path: str, key: str) -> None:
        if decision.found is Found.MET:
            self._accounts.repeat(decision, identity, identity)
        else:
            self._accounts.settle(decision, identity, path, key, identity)

    def _noted(self, path: str, key: str) -> bool:
        """Settle all that a file is known to hold; False where something of it is missing."""
        plan = self._accounts.plan
        notes = plan.notes(key)
        kept = [(path + note.name, note.key) for note in notes if note.key is not None]
        if not notes or any(plan.decide(*pair).found is Found.NEW for pair in kept):
            return False
        if _reasons(notes) and not self._failures.holds(path, key):
            return False
        for note in notes:
            identity = path + note.name
            if note.key is None:
                kind = Withheld if note.withheld else Failure
                self._fail(kind(identity, note.reason))
            else:
                self._again(plan.decide(identity, note.key), identity, path, note.key)
        self._whole.add(path)
        return True

    def _corpus(self, source: Source) -> None:
        """Each line is a document of its own; a file that cannot be opened is one failure."""
        path, failed = str(source.path), False
        try:
            around = self._access.known("", source.path)
            for item in read_corpus(source.path):
                failed |= isinstance(item, Failure)
                if isinstance(item, Failure):
                    self._fail(item)
                else:
                    self._line(path, item, around)
        except OSError as error:
            failed = True
            self._fail(Failure(path, reason_of(error)))
        except GroupsUnclear as error:
            failed = True
            self._fail(Withheld(path, f"groups: {error.reason}"))
        if not failed:
            self._whole.add(path)

    def _line(self, path: str, item: CorpusDocument, around: Known) -> None:
        origin, known = f"{path}:{item.line}", self._access.line(around, item)
        decision = self._accounts.plan.decide(item.id, known.key)
        if decision.found is Found.MET:
            self._accounts.repeat(decision, origin, item.id)
        elif decision.found is Found.NEW:
            size = len(item.parsed.text.encode())
            self._write(_Document(item.id, path, origin, known, size, item.parsed))
        else:
            self._accounts.settle(decision, item.id, path, known.key, origin)

    # What all of them come to

    def _write(self, document: _Document) -> Failure | None:
        """Cut and queue a document that the base does not hold; why not, where it cannot be."""
        known, parsed, identity = document.known, document.parsed, document.identity
        try:
            groups = narrow(known.groups, parsed.groups)
        except GroupsUnclear as error:
            reason = f"groups: {error.reason}"
            return self._fail(Withheld(document.origin, reason, identity))
        chunks = self._sink.add(known.key, known.sha256, document.size, identity, parsed, groups)
        if not chunks:
            return self._fail(Failure(document.origin, "empty"))
        self._accounts.count_chunks(chunks)
        decision = self._accounts.plan.decide(identity, known.key)
        self._accounts.settle(decision, identity, document.path, known.key, document.origin)
        return None

    def _fail(self, failure: Failure) -> Failure:
        self._failed.add(failure.path)
        if isinstance(failure, Withheld):
            self._withheld.add(failure.identity or failure.path)
        self._accounts.fail(Failure(failure.path, failure.reason))
        return failure

    def _drop_withheld(self) -> None:
        """Documents that nobody may see any more leave the base with this job."""
        if not self._withheld:
            return
        for identity, path in list(self._accounts.plan.unmet()):
            if path in self._withheld or any(name in self._withheld for name in _around(identity)):
                self._accounts.remove(identity)

    def prune(self, roots: Sequence[Path]) -> None:
        """Drop documents under `roots` whose files, or places in their file, are gone.

        A root that does not exist prunes nothing: it may be a disk that is not mounted.
        """
        present = [root.resolve() for root in roots if root.exists()]
        for identity, path in list(self._accounts.plan.unmet()):
            inside = any(Path(path).is_relative_to(root) for root in present)
            if inside and (self._has_left(identity, path) or is_gone(Path(path))):
                self._accounts.remove(identity)

    def _has_left(self, identity: str, path: str) -> bool:
        """Whether a file that was read whole does not hold this document any more."""
        if path in self._whole:
            # What failed now may be read again another time, and so may all that it holds.
            return not any(name in self._failed for name in _around(identity))
        was_inside = identity.startswith(path + SEPARATOR)
        return was_inside and self._accounts.plan.decide(path, "").found is Found.MET


def _reasons(notes: Sequence[Note]) -> list[str]:
    return [note.reason for note in notes if note.key is None]


def _around(identity: str) -> Iterator[str]:
    """An identity and all that it lies in: "a.zip!/b.eml!/c", "a.zip!/b.eml", "a.zip"."""
    yield identity
    while SEPARATOR in identity:
        identity = identity.rpartition(SEPARATOR)[0]
        yield identity
