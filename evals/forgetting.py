"""What evaluation keeps of documents, and how it is forgotten: reviews, cases made of them, runs.

Each is a place that `ingest.forget` clears.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from evals.review.queue import ReviewQueue
from ingest.quotes import Trail


class PromotedCases:
    """Cases that reviews of an answer became, in the files that the queue names.

    To be cleared before the reviews. A line is overwritten with blanks, which readers of cases
    skip: the file keeps its place for whoever appends to it.
    """

    name = "promoted cases"

    def __init__(self, queue: ReviewQueue) -> None:
        self._queue = queue

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Raises ReviewError, OSError."""
        cases: dict[Path, set[str]] = {}
        for item in self._queue.resting_on(trail.names):
            if item.promoted_to and Path(item.promoted_to).is_file():
                cases.setdefault(Path(item.promoted_to), set()).add(f"review-{item.uid}")
        return sum(_blank(path, ids, dry_run) for path, ids in cases.items())


def _blank(path: Path, ids: Collection[str], dry_run: bool) -> int:
    with path.open("rb" if dry_run else "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_SH if dry_run else fcntl.LOCK_EX)
        found = list(_places(file.read(), ids))
        for begin, end in found if not dry_run else ():
            file.seek(begin)
            file.write(b" " * (end - begin))
        file.flush()
        os.fsync(file.fileno())
    return len(found)


def _places(data: bytes, ids: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where lines of these cases begin and end."""
    begin = 0
    for line in data.split(b"\n"):
        end = begin + len(line)
        if any(name.encode() in line for name in ids) and _id(line) in ids:
            yield begin, end
        begin = end + 1


def _id(line: bytes) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return ""
    return str(row.get("id")) if isinstance(row, dict) else ""


class Reviews:
    """Answers in the review queue that rest on a document."""

    name = "reviews"

    def __init__(self, queue: ReviewQueue) -> None:
        self._queue = queue

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Raises ReviewError."""
        if dry_run:
            return len(self._queue.resting_on(trail.names))
        return self._queue.forget(sorted(trail.names))


class Runs:
    """Evaluation runs that quote a document, or name it by its path; removed whole.

    Their figures cannot be computed again without the document, so a part of them is no use.
    Runs that were written elsewhere (`--out`) are the user's own.
    """

    name = "runs"

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Raises OSError."""
        there = [folder for folder in self._folders if folder.is_dir()]
        runs = [run for folder in there for run in sorted(folder.iterdir())]
        found = [run for run in runs if run.is_dir() and not run.is_symlink() and _in(run, trail)]
        for run in found if not dry_run else ():
            shutil.rmtree(run)
        return len(found)


def _in(run: Path, trail: Trail) -> bool:
    """Runs hold no bytes but text; which base they were over is not told, so ids do not count."""
    return any(trail.leads_to(path, own=False) for path in run.rglob("*") if path.is_file())
