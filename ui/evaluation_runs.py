"""Evaluation runs as the page lists them: where they are kept, and how each stands. Only reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evals.errors import RunError
from evals.report.words import metric_words, suite_words
from evals.rundir import GATE, INFO, RESULTS, read_info
from evals.types import RunInfo
from ingest.files import status_of

RUNS, MORE = "runs", "SUREFOOT_RUNS"
JOB = "job.json"
LISTED = 200
State = Literal["running", "finished", "stopped", "failed", "damaged"]
Alive = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric with its 95 % interval. `unit`: it lies in 0 to 1, so that a bar can show it."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list. `key` is its name on the page; `changed` is in seconds since 1970.

    `failed` cases count against the figures. `groups` are those that its subject could see. `gate`
    is its verdict, "pass" or "fail", or "" where none was asked.
    """

    key: str
    path: Path
    suite: str
    cases: str
    changed: float
    n: int | None
    state: State
    failed: int = 0
    headline: Figure | None = None
    groups: frozenset[str] = frozenset()
    problem: str = ""
    gate: str = ""

    @property
    def title(self) -> str:
        return suite_words(self.suite).title


def places(kb: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that hold runs of a base: its own, and those that SUREFOOT_RUNS names."""
    named = (Path(name) for name in env.get(MORE, "").split(os.pathsep) if name.strip())
    return tuple(dict.fromkeys((kb / RUNS, *named)))


def listed(folders: Sequence[Path], alive: Alive) -> tuple[RunRow, ...]:
    """All runs, those under way first, then the latest. Names that are met again get a number."""
    rows: dict[str, RunRow] = {}
    for path in _folders(folders):
        row = _row(_key(path.name, rows), path, alive)
        if row is not None:
            rows[row.key] = row
    ordered = sorted(rows.values(), key=lambda row: (row.state != "running", -row.changed))
    return tuple(ordered[:LISTED])


def may_see_cases(row: RunRow, groups: frozenset[str]) -> bool:
    """Whether a reader of `groups` may see what a run's subject saw."""
    return row.groups <= groups


def comparable(row: RunRow, rows: Sequence[RunRow]) -> tuple[RunRow, ...]:
    """The finished runs that a run can be compared with, the latest first."""
    return tuple(
        other
        for other in rows
        if other.suite == row.suite and other.state == "finished" and other.key != row.key
    )


def _folders(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        if _is_run(folder):
            yield folder
        elif folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if _is_run(path))


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in (INFO, JOB)) and not path.is_symlink()


def _key(name: str, met: Mapping[str, Any]) -> str:
    key, number = name, 1
    while key in met:
        number += 1
        key = f"{name}~{number}"
    return key


def _row(key: str, path: Path, alive: Alive) -> RunRow | None:
    """None for a run that was removed meanwhile."""
    try:
        if not (path / INFO).is_file():
            return _unbegun(key, path, alive(path))
        info = read_info(path)
        going = alive(path)
        changed = max(_changed(path / INFO), _changed(path / RESULTS))
        if going or not (path / RESULTS).is_file():
            state: State = "running" if going else "stopped"
            return _begun(key, path, info, changed, state)
        return _finished(key, path, info, changed)
    except FileNotFoundError:
        return None
    except (RunError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = error.problem if isinstance(error, RunError) else str(error)
        return RunRow(key, path, "", path.name, 0.0, None, "damaged", problem=problem)


def _unbegun(key: str, path: Path, going: bool) -> RunRow:
    """A run that has read no case yet, or never came to it."""
    job = json.loads((path / JOB).read_text(encoding="utf-8"))
    return RunRow(
        key,
        path,
        str(job["suite"]),
        Path(str(job["cases"])).name,
        _changed(path / JOB),
        None,
        "running" if going else "failed",
        groups=frozenset(job.get("groups", ())),
    )


def _begun(key: str, path: Path, info: RunInfo, changed: float, state: State) -> RunRow:
    names = ", ".join(name for name, _ in info.sources)
    groups = frozenset(map(str, info.settings.get("groups", ())))
    return RunRow(key, path, info.pins.suite, names, changed, info.n, state, groups=groups)


def _finished(key: str, path: Path, info: RunInfo, changed: float) -> RunRow:
    results = json.loads((path / RESULTS).read_text(encoding="utf-8", errors="surrogatepass"))
    return replace(
        _begun(key, path, info, changed, "finished"),
        failed=int(results.get("failed", 0)),
        headline=headline(info.pins.suite, results["metrics"]),
        gate=_gate(path / GATE),
    )


def _gate(path: Path) -> str:
    if not path.is_file():
        return ""
    verdict = json.loads(path.read_text(encoding="utf-8"))["verdict"]
    return str(verdict) if verdict in ("pass", "fail") else ""


def headline(suite: str, metrics: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """The figure that a run is known by: the first that leads its report and has a value."""
    for name in (*suite_words(suite).lead, *metrics):
        found = metrics.get(name, {})
        if found.get("value") is not None:
            unit = metric_words(suite, name).percent and 0 <= found["value"] <= 1
            return Figure(name, found["value"], found["low"], found["high"], found["n"], unit)
    return None


def _changed(path: Path) -> float:
    status = status_of(path)
    return status.st_mtime if status else 0.0
