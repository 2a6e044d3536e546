"""A run on disk. Everything but the journal is a function of the journal, and holds no times.

run.json      what was run: suite, pins, case files, settings
rows.jsonl    the journal: every finished case with its outcome, as it finished
scores.jsonl  every case's score, in the order of the cases
results.json  what `surefoot eval --json` prints
report.html, report.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.errors import RunError
from evals.journal import read_journal
from evals.types import Case, Json, Outcome, Pins, RunInfo, Score, ScoredCase
from ingest.errors import KnowledgeBaseBusy, KnowledgeBaseError
from ingest.lock import writer_lock
from rag.models import write_atomic

INFO, JOURNAL, SCORES, RESULTS = "run.json", "rows.jsonl", "scores.jsonl", "results.json"
GATE = "gate.json"
_RESULTS_HOLD = {"suite", "n", "metrics"}


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. `results` is the object that `surefoot eval --json` prints."""

    path: Path
    info: RunInfo
    results: Json

    @classmethod
    def load(cls, path: Path) -> Run:
        """The finished run in a folder. Raises RunError if there is none, or it isn't finished."""
        folder = path.parent if path.is_file() else path
        if not (folder / INFO).is_file():
            raise RunError(folder, "no run is here (a run's folder holds run.json)")
        if not (folder / RESULTS).is_file():
            raise RunError(folder, "is not finished; give its command again")
        results = _read(folder / RESULTS)
        if lacking := sorted(_RESULTS_HOLD - results.keys()):
            raise RunError(folder, f"{RESULTS} is damaged: it has no {', '.join(lacking)}")
        return cls(folder, read_info(folder), results)

    def scores(self) -> list[ScoredCase]:
        """Every case's score, in the order of the cases. Raises RunError if any is missing."""
        found = list(read_scores(self.path))
        self._require_all(len(found), SCORES)
        return found

    def rows(self) -> Iterator[tuple[Case, Outcome]]:
        """Cases and what the subject did with them, in the order in which they finished.

        A journal may hold rows of earlier settings; only this run's cases come. Raises RunError if
        the journal lacks any of them.
        """
        wanted = {(item.score.id, item.sha256) for item in read_scores(self.path)}
        last = {}
        for entry in read_journal(self.path / JOURNAL):
            if (entry.case.id, entry.case.sha256) in wanted and entry.pinned(self.info.pins):
                last[entry.case.id] = entry.place
        self._require_all(len(last), JOURNAL)
        for entry in read_journal(self.path / JOURNAL):
            if last.get(entry.case.id) == entry.place:
                yield entry.case, entry.outcome

    def _require_all(self, found: int, name: str) -> None:
        if found != self.info.n:
            problem = f"{name} holds {found} of {self.info.n} cases; give the run's command again"
            raise RunError(self.path, problem)


def write_run(folder: Path, info: RunInfo, scores: Sequence[ScoredCase], results: Json) -> Run:
    """Write what a finished journal comes to; results last, since they say that all is there."""
    write_info(folder, info)
    lines = [json.dumps(_flat(item), ensure_ascii=False, sort_keys=True) for item in scores]
    write_file(folder / SCORES, _encoded("".join(f"{line}\n" for line in lines)))
    _write(folder / RESULTS, results)
    return Run(folder, info, results)


def add_results(run: Run, more: Json) -> Run:
    """The run with further results, which are told with the others from now on."""
    results = {**run.results, **more}
    _write(run.path / RESULTS, results)
    return Run(run.path, run.info, results)


def write_info(folder: Path, info: RunInfo) -> None:
    _write(folder / INFO, asdict(info))


def read_info(folder: Path) -> RunInfo:
    """What was run in a folder. Raises RunError."""
    row = _read(folder / INFO)
    try:
        sources = tuple((str(name), str(digest)) for name, digest in row.pop("sources"))
        info = RunInfo(pins=Pins(**row.pop("pins")), sources=sources, **row)
        if not all(isinstance(pin, str) for pin in asdict(info.pins).values()):
            raise TypeError("a pin is not a text")
        if not isinstance(info.n, int) or not isinstance(info.settings, dict):
            raise TypeError("n is not a number, or settings are no table")
        return info
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(folder, f"run.json is of another version ({error})") from error


def read_scores(folder: Path) -> Iterator[ScoredCase]:
    path = folder / SCORES
    try:
        with path.open(encoding="utf-8", errors="surrogatepass") as stream:
            for line in stream:
                row = json.loads(line)
                sha256, slices = row.pop("sha256"), row.pop("slices")
                if not _sound(row["values"]) or not isinstance(slices, dict):
                    raise TypeError("a score is not a table of numbers")
                yield ScoredCase(Score(**row), sha256, slices)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(folder, f"{SCORES} cannot be read ({error})") from error


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a run's folder, made if it isn't there. Raises RunError, at once if another has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RunError(folder, f"cannot be made: {error.strerror}") from error
    with ExitStack() as held:
        try:
            held.enter_context(writer_lock(folder))
        except KnowledgeBaseBusy as error:
            raise RunError(folder, f"is being written by {error.holder}") from error
        except KnowledgeBaseError as error:
            raise RunError(folder, error.problem) from error
        except OSError as error:
            raise RunError(folder, f"cannot be written: {error.strerror}") from error
        yield


def _flat(item: ScoredCase) -> dict[str, Any]:
    return {**asdict(item.score), "sha256": item.sha256, "slices": dict(item.slices)}


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except (OSError, ValueError) as error:
        raise RunError(path.parent, f"{path.name} cannot be read ({error})") from error
    if not isinstance(value, dict):
        raise RunError(path.parent, f"{path.name} is not an object")
    return value


def _write(path: Path, value: Json) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    write_file(path, _encoded(f"{text}\n"))


def write_file(path: Path, data: bytes) -> None:
    """Put a file of a run in place, whole or not at all. Raises RunError."""
    try:
        write_atomic(path, data)
    except OSError as error:
        raise RunError(path.parent, f"cannot be written: {error.strerror or error}") from error


def _encoded(text: str) -> bytes:
    """As UTF-8; half a surrogate pair, which JSON can name, is kept."""
    return text.encode("utf-8", "surrogatepass")


def _sound(values: Any) -> bool:
    return isinstance(values, dict) and all(
        value is None or isinstance(value, int | float) for value in values.values()
    )
