"""Documents taken into a knowledge base: files that are sent, and what lies on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from ingest.build import ingest, prepare
from ingest.errors import KnowledgeBaseError
from ingest.lock import writer_lock
from ingest.plan import Change
from ingest.types import DocumentRecord, Failure, IngestReport
from rag.scan import ScanReport
from ui.page.job import Halted, Tally
from ui.uploads import UPLOADS, Sent, UploadError, remove, safe_name, write

MOST_MB = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Files and folders of this machine that these groups may see; none means everyone."""

    paths: tuple[Path, ...]
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Order:
    """What to take in: files that were sent, for `groups`, and batches that lie here.

    `earlier` are sent files of before by their name, which a new one of that name replaces.
    """

    kb: Path
    files: tuple[Sent, ...] = ()
    groups: frozenset[str] = frozenset()
    earlier: Mapping[str, Path] = field(default_factory=dict)
    batches: tuple[Batch, ...] = ()

    @property
    def readers(self) -> frozenset[str]:
        """All the groups that it names."""
        return self.groups.union(*(batch.groups for batch in self.batches))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it. `failed` has names as their sender knows them."""

    reports: tuple[IngestReport, ...]
    failed: tuple[Failure, ...]
    changes: tuple[Change, ...]
    scan: ScanReport | None

    @property
    def chunks(self) -> int:
        return sum(report.chunks for report in self.reports)


def earlier_uploads(
    kb: Path, documents: Iterable[DocumentRecord], groups: frozenset[str]
) -> dict[str, Path]:
    """Sent files that are there for exactly these groups, by name. Pure."""
    root = (kb / UPLOADS).resolve()
    found = {item.path: item for item in documents if item.groups == groups}
    return {PurePath(path).name: Path(path) for path in found if Path(path).is_relative_to(root)}


def take_in(order: Order, tally: Tally) -> Taken:
    """The whole job. Raises SurefootError; Halted before anything is committed."""
    from rag.assemble import open_bulk_embedder

    tally.say("Loading the embedding model")
    embedder = open_bulk_embedder()
    shelf, changes, reports = _Shelf(order), list[Change](), list[IngestReport]()
    try:
        if order.files:
            tally.say("Keeping the files")
            prepare(order.kb)
            with writer_lock(order.kb):
                shelf.fill(tally)
        batches = [Batch(shelf.places, order.groups)] if shelf.places else []
        for batch in (*batches, *order.batches):
            tally.say("Looking for files")
            report = ingest(
                batch.paths,
                order.kb,
                embedder,
                groups=batch.groups,
                progress=tally,
                changed=changes.append,
            )
            reports.append(report)
    except OSError as error:
        shelf.close(reports)
        problem = f"cannot be written: {error.strerror or error}"
        raise KnowledgeBaseError(order.kb, problem) from error
    except BaseException:
        shelf.close(reports)
        raise
    shelf.close(reports)
    failed = (*shelf.refused, *_said(order, reports))
    scan = _scanned(order.kb, tally, {change.document for change in changes})
    return Taken(tuple(reports), failed, tuple(changes), scan)


class _Shelf:
    """The sent files of an order on the disk. A new version stands where the old one stood."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._before: dict[Path, Path] = {}
        self.places: tuple[Path, ...] = ()
        self.refused: list[Failure] = []

    def fill(self, tally: Tally) -> None:
        """Write them; those that are not taken are `refused`. Raises OSError."""
        folder = self._order.kb / UPLOADS
        for sent in self._order.files:
            tally.say(f"Keeping {sent.name}")
            try:
                name = safe_name(sent.name)
                place = write(sent, folder, name, MOST_MB * 10**6)
            except UploadError as error:
                self.refused.append(Failure(sent.name, str(error)))
                tally.failed(sent.name, str(error))
                continue
            earlier = self._order.earlier.get(name)
            self.places += (self._swapped(place, earlier) if earlier else place,)

    def _swapped(self, place: Path, earlier: Path) -> Path:
        earlier.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Hidden files are no documents.
        before = earlier.with_name(f".{earlier.name}.before")
        if earlier in self._before:
            earlier.unlink()
        elif earlier.exists():
            earlier.replace(before)
            self._before[earlier] = before
        place.replace(earlier)
        remove([place])
        return earlier

    def close(self, reports: Sequence[IngestReport]) -> None:
        """Put away what failed, and what was replaced. Without a report nothing was taken in."""
        failed = {failure.path for report in reports for failure in report.failed}
        for place in dict.fromkeys(self.places):
            before = self._before.get(place)
            if reports and str(place) not in failed:
                if before is not None:
                    before.unlink(missing_ok=True)
            elif before is not None:
                before.replace(place)
            else:
                remove([place])


def _said(order: Order, reports: Iterable[IngestReport]) -> list[Failure]:
    """Failures by the names that people know: of a sent file its own, of another its path."""
    root = (order.kb / UPLOADS).resolve()
    return [
        Failure(PurePath(item.path).name, item.reason)
        if Path(item.path).is_relative_to(root)
        else item
        for report in reports
        for item in report.failed
    ]


def _scanned(kb: Path, tally: Tally, added: Collection[str]) -> ScanReport | None:
    """The scan after it, which may also read what others added: only names of `added` are told."""
    from ui.scanned import scanned

    try:
        report = scanned(kb, tally)
    except Halted:
        # The base is complete; what is not scanned now is scanned when it is asked for.
        return None
    if report is None:
        return None
    mine = tuple(item for item in report.suspects if item.document in added)
    return replace(report, suspects=mine)
