"""`python -m evals.bench.fuzz`: damaged files of every format through the real ingestion.

No file may cost more than itself: the job ends, and each file is a document, a copy of one, or
failed with its reason. What is found wrong is printed, and the exit status is then 4.
"""

from __future__ import annotations

import argparse
import faulthandler
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from evals.bench.mutations import Mutant, mutant
from ingest.build import ingest
from ingest.corpus import CorpusDocument, is_corpus, read_corpus
from ingest.load import Limits, Loader, discover
from ingest.pages import SEPARATOR, Page
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import DocumentRecord, Failure, IngestReport

LIMITS = Limits(seconds=20.0)
STATUSES = (
    "corrupt", "empty", "encrypted", "too large", "no text layer", "unsupported", "timeout",
    "crashed", "nested too deeply", "groups", "duplicate id", "not JSON", "not UTF-8", "no id",
    "no text", "not an object", "text is not", "id ",
)  # fmt: skip
_START_SECONDS, _FILE_SECONDS = 60.0, 0.5
_AGAIN_SHARE, _AGAIN_SECONDS = 0.8, 5.0
_MOST_REASON = 400
_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """What two jobs over the same files made of them, and what is in the base afterwards.

    `texts` are those of whole files by path; `seconds` what each file takes to read alone.
    """

    files: Mapping[str, Mutant]
    first: IngestReport
    again: IngestReport
    records: Sequence[DocumentRecord]
    texts: Mapping[str, Sequence[str]]
    damage: Sequence[str]
    seconds: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def read(self) -> frozenset[str]:
        """Files of which the base holds a document."""
        return frozenset(path for record in self.records for path in record.paths)

    @cached_property
    def failures(self) -> Mapping[str, Sequence[Failure]]:
        """Failures by the file that they are of; "" for those of no file that there is."""
        found = defaultdict[str, list[Failure]](list)
        for failure in self.first.failed:
            found[_file_of(failure.path, self.files)].append(failure)
        return found


def fuzz(folder: Path, count: int, seed: int, timed: bool = False) -> Outcome:
    """Write `count` files below `folder`, ingest them twice, and look at what came of them.

    A job that does not end in time ends the whole process, with a trace of where it hangs.
    """
    files = write(folder / "files", count, seed)
    faulthandler.dump_traceback_later(_START_SECONDS + count * _FILE_SECONDS, exit=True)
    try:
        first, again = (
            ingest([folder / "files"], folder / "kb", HashEmbedder(), limits=LIMITS)
            for _ in range(2)
        )
    finally:
        faulthandler.cancel_dump_traceback_later()
    with closing(KnowledgeBase.open(folder / "kb")) as base:
        records = base.documents()
        texts = _texts(base, records, {path for path, one in files.items() if one.word})
        damage = base.verify().problems
    seconds = dict(_alone(folder / "files")) if timed else {}
    return Outcome(files, first, again, records, texts, damage, seconds)


def write(folder: Path, count: int, seed: int) -> dict[str, Mutant]:
    """Files by their path, in a folder for each format."""
    files = {}
    for number in range(count):
        one = mutant(seed, number)
        path = folder.resolve() / one.suffix / one.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
        files[str(path)] = one
    return files


def problems(outcome: Outcome) -> Iterator[str]:
    """Everything that ingestion promises and did not keep, a line each."""
    yield from (f"verify: {problem}" for problem in outcome.damage)
    yield from _sums(outcome)
    yield from _fates(outcome)
    yield from _reasons(outcome)
    yield from _second_run(outcome)


def _sums(outcome: Outcome) -> Iterator[str]:
    report, records = outcome.first, outcome.records
    identities = sum(len(record.identities) for record in records)
    if report.added != len(records):
        yield f"{report.added} added, but the base holds {len(records)}"
    # A line of a corpus or a message may be there twice: a duplicate without an id of its own.
    if report.added + report.duplicates < identities:
        yield f"{report.added} added and {report.duplicates} duplicates, but {identities} ids"
    if report.updated or report.unchanged or report.removed:
        yield "a new base has something updated, unchanged or removed"
    if report.chunks != sum(record.chunks for record in records):
        yield f"{report.chunks} chunks reported, but the documents have others"


def _fates(outcome: Outcome) -> Iterator[str]:
    known = {identity for record in outcome.records for identity in record.identities}
    for path, one in outcome.files.items():
        if not (path in outcome.read or path in outcome.failures or _is_repeat(path, known)):
            yield f"lost without a word: {path} ({one.what})"
        if one.word and not any(one.word in text for text in outcome.texts.get(path, ())):
            said = "; ".join(f.reason for f in outcome.failures.get(path, ())) or "no failure"
            yield f"whole, but not read: {path} ({one.what}): {said}"


def _is_repeat(path: str, known: set[str]) -> bool:
    """Whether a corpus only has lines that another one has too, ids and all."""
    if not is_corpus(Path(path)):
        return False
    return all(isinstance(i, CorpusDocument) and i.id in known for i in read_corpus(Path(path)))


def _reasons(outcome: Outcome) -> Iterator[str]:
    yield from (f"failure of no file: {failure.path}" for failure in outcome.failures.get("", ()))
    for failure in outcome.first.failed:
        reason = failure.reason
        clear = reason.strip() and reason.isprintable() and len(reason) <= _MOST_REASON
        if not clear or "Traceback" in reason or 'File "' in reason:
            yield f"no reason for people: {failure.path}: {reason[:_MOST_REASON]!r}"


def _second_run(outcome: Outcome) -> Iterator[str]:
    first, again = outcome.first, outcome.again
    if again.added or again.updated or again.removed or again.chunks:
        yield f"the second run changed something: {again.added} added, {again.updated} updated"
    if sum(_columns(again)) != sum(_columns(first)):
        yield f"{sum(_columns(first))} documents met, then {sum(_columns(again))}"
    different = {(f.path, f.reason) for f in first.failed} ^ {
        (f.path, f.reason) for f in again.failed
    }
    yield from sorted(f"failed otherwise in one run: {path}: {why}" for path, why in different)
    if again.seconds > first.seconds * _AGAIN_SHARE + _AGAIN_SECONDS:
        yield f"the second run took {again.seconds:.1f} s, the first {first.seconds:.1f} s"


def _columns(report: IngestReport) -> tuple[int, ...]:
    met = (report.added, report.updated, report.unchanged, report.duplicates)
    return (*met, len(report.failed))


def table(outcome: Outcome) -> Iterator[str]:
    """A line for each format: files, how many gave a document, failures by status, slowest."""
    yield f"{'format':<8}{'files':>6}{'read':>6}{'slowest':>10}  failed"
    kinds = sorted({one.suffix for one in outcome.files.values()})
    for kind in kinds:
        paths = [path for path, one in outcome.files.items() if one.suffix == kind]
        yield _line(kind, paths, outcome)
    yield _line("all", list(outcome.files), outcome)


def _line(kind: str, paths: Sequence[str], outcome: Outcome) -> str:
    read = sum(path in outcome.read for path in paths)
    failed = Counter(
        status(failure.reason) for path in paths for failure in outcome.failures.get(path, ())
    )
    slowest = max((outcome.seconds.get(path, 0.0) for path in paths), default=0.0)
    named = ", ".join(f"{word} {number}" for word, number in failed.most_common())
    return f"{kind:<8}{len(paths):>6}{read:>6}{slowest:>8.2f} s  {named or '-'}"


def status(reason: str) -> str:
    """The fixed word that a reason begins with, "other" where it has none."""
    return next((word for word in STATUSES if reason.startswith(word)), "other")


def _file_of(path: str, files: Mapping[str, Mutant]) -> str:
    """The file of a failure: itself, what it lies in, or the corpus that it is a line of."""
    around = path.partition(SEPARATOR)[0]
    line_of = around.rpartition(":")[0]
    return next((found for found in (path, around, line_of) if found in files), "")


def _texts(
    base: KnowledgeBase, records: Sequence[DocumentRecord], paths: set[str]
) -> dict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for record in records:
        wanted = paths.intersection(record.paths)
        text = base.document_text(record.document) if wanted else ""
        for path in wanted:
            found[path].append(text)
    return found


def _alone(folder: Path) -> Iterator[tuple[str, float]]:
    """Seconds that each file takes to read with nothing beside it."""
    with Loader(LIMITS) as loader:
        for source in discover([folder], LIMITS)[0]:
            began = time.perf_counter()
            if source.is_corpus:
                Counter(map(type, read_corpus(source.path)))
            else:
                for _, result in loader.load([source]):
                    if isinstance(result, Page):
                        Counter(map(type, loader.members(source, result)))
            yield str(source.path), time.perf_counter() - began


def _report(outcome: Outcome) -> Iterator[str]:
    yield from table(outcome)
    first, again = outcome.first, outcome.again
    yield (
        f"documents met {sum(_columns(first))}: added {first.added}, duplicates"
        f" {first.duplicates}, failed {len(first.failed)}"
    )
    yield f"first run {first.seconds:.1f} s, second run {again.seconds:.1f} s"
    slow = sorted(outcome.seconds, key=lambda path: -outcome.seconds[path])[:5]
    yield from (
        f"slow: {outcome.seconds[path]:.2f} s {Path(path).name} ({outcome.files[path].what})"
        for path in slow
    )
    others = {f.reason for f in first.failed if status(f.reason) == "other"}
    yield from (f"other reason: {reason}" for reason in sorted(others)[:_SHOWN])


def main() -> int:
    """0 where every promise was kept, else 4."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3000, help="files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files and the base")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(asked.keep or Path(folder), asked.n, asked.seed, timed=True)
    found = list(problems(outcome))
    print("\n".join([*_report(outcome), *found[:_SHOWN]]))
    print(f"{len(found)} problems" if found else "nothing lost, nothing hung, nothing crashed")
    return 4 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
