"""The journal of a run: one JSON line a finished case, written durably, a batch at a time.

A batch is written in one piece and counts only when it is whole, so that batches of a run that was
stopped and resumed are the same as those of one that was not: what a batched model computes may
depend, in the last bits, on what it computes beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.errors import RunError
from evals.types import Case, Outcome, Pins


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished case. `place` is the byte in the journal where its line begins."""

    key: str
    case: Case
    outcome: Outcome
    place: int

    def pinned(self, pins: Pins) -> bool:
        """True if it was computed with these pins."""
        return self.key == case_key(pins, self.case)


def case_key(pins: Pins, case: Case) -> str:
    """The content address of an outcome: a hash of what identifies the subject, and the case."""
    parts = json.dumps([asdict(pins), case.id, case.sha256], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


class Journal:
    """Appends batches to a file. One writer; what a killed one left half written is cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._file, _whole_bytes(path))
        except OSError as error:
            raise RunError(path.parent, f"cannot be written: {error.strerror}") from error

    def append(self, pins: Pins, finished: Sequence[tuple[Case, Outcome]]) -> None:
        """Write a batch and wait until it is on disk. Raises RunError if it can't be."""
        rows = [_row(pins, case, outcome) for case, outcome in finished]
        lines = [{**row, "left": len(rows) - i - 1} for i, row in enumerate(rows)]
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(
            "utf-8", "surrogatepass"
        )
        begin = os.fstat(self._file).st_size
        try:
            _write_all(self._file, data)
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, begin)
            raise RunError(self._path.parent, f"cannot be written: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._file)


def read_journal(path: Path) -> Iterator[Entry]:
    """Every case of every whole batch, in the order in which they were written."""
    for batch, _ in _batches(path):
        yield from batch


def _whole_bytes(path: Path) -> int:
    return max((end for _, end in _batches(path)), default=0)


def _batches(path: Path) -> Iterator[tuple[list[Entry], int]]:
    """Whole batches, each with the byte where it ends.

    Only a last line without an end is a write that was cut off. Any other broken line is damage: it
    is passed over and stays where it is, and what comes after it counts.
    """
    batch: list[Entry] = []
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        place = 0
        for line in stream:
            if not line.endswith(b"\n"):
                return
            found = _entry(line, place)
            place += len(line)
            if found is None:
                if not batch:
                    yield [], place
                continue
            entry, left = found
            batch.append(entry)
            if left == 0:
                yield batch, place
                batch = []


def _entry(line: bytes, place: int) -> tuple[Entry, int] | None:
    try:
        row: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
        case = Case(row["id"], row["cluster"], row["case"], row["sha256"])
        outcome = Outcome(row["data"], row["ms"], row["reason"])
        return Entry(row["key"], case, outcome, place), int(row["left"])
    except (ValueError, KeyError, TypeError):
        return None


def _row(pins: Pins, case: Case, outcome: Outcome) -> dict[str, Any]:
    return {
        "key": case_key(pins, case),
        "id": case.id,
        "cluster": case.cluster,
        "sha256": case.sha256,
        "case": case.row,
        "data": outcome.data,
        "ms": round(outcome.ms, 2),
        "reason": outcome.reason,
    }


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
