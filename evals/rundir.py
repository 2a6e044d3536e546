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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.errors import RunError
from evals.journal import read_journal
from evals.types import Case, Json, Outcome, Pins, RunInfo, Score, ScoredCase
from rag.models import write_atomic

INFO, JOURNAL, SCORES, RESULTS = "run.json", "rows.jsonl", "scores.jsonl", "results.json"


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
        return cls(folder, read_info(folder), _read(folder / RESULTS))

    def scores(self) -> list[ScoredCase]:
        """Every case's score, in the order of the cases."""
        return list(read_scores(self.path))

    def rows(self) -> Iterator[tuple[Case, Outcome]]:
        """Cases and what the subject did with them, in the order in which they finished.

        A journal may hold rows of earlier settings; only this run's cases come.
        """
        wanted = {(item.score.id, item.sha256) for item in read_scores(self.path)}
        last = {}
        for entry in read_journal(self.path / JOURNAL):
            if (entry.case.id, entry.case.sha256) in wanted and entry.pinned(self.info.pins):
                last[entry.case.id] = entry.place
        for entry in read_journal(self.path / JOURNAL):
            if last.get(entry.case.id) == entry.place:
                yield entry.case, entry.outcome


def write_run(folder: Path, info: RunInfo, scores: Sequence[ScoredCase], results: Json) -> Run:
    """Write what a finished journal comes to; results last, since they say that all is there."""
    write_info(folder, info)
    lines = [json.dumps(_flat(item), ensure_ascii=False, sort_keys=True) for item in scores]
    write_atomic(folder / SCORES, "".join(f"{line}\n" for line in lines).encode())
    _write(folder / RESULTS, results)
    return Run(folder, info, results)


def write_info(folder: Path, info: RunInfo) -> None:
    _write(folder / INFO, asdict(info))


def read_info(folder: Path) -> RunInfo:
    """What was run in a folder. Raises RunError."""
    row = _read(folder / INFO)
    try:
        sources = tuple((str(name), str(digest)) for name, digest in row.pop("sources"))
        return RunInfo(pins=Pins(**row.pop("pins")), sources=sources, **row)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(folder, f"run.json is of another version ({error})") from error


def read_scores(folder: Path) -> Iterator[ScoredCase]:
    path = folder / SCORES
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                sha256, slices = row.pop("sha256"), row.pop("slices")
                yield ScoredCase(Score(**row), sha256, slices)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(folder, f"{SCORES} cannot be read ({error})") from error


def _flat(item: ScoredCase) -> dict[str, Any]:
    return {**asdict(item.score), "sha256": item.sha256, "slices": dict(item.slices)}


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(path.parent, f"{path.name} cannot be read ({error})") from error
    if not isinstance(value, dict):
        raise RunError(path.parent, f"{path.name} is not an object")
    return value


def _write(path: Path, value: Json) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    write_atomic(path, f"{text}\n".encode())
