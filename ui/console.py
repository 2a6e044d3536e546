"""Printing: results on standard output, progress and logs on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def emit_json(value: Any) -> None:
    """One JSON object on standard output."""
    text = json.dumps(value, ensure_ascii=False)
    if not _can_print(text):
        text = json.dumps(value)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _can_print(text: str) -> bool:
    """False for half a surrogate pair, and for characters that the terminal's encoding lacks."""
    try:
        text.encode(sys.stdout.encoding or "utf-8", sys.stdout.errors or "strict")
    except UnicodeEncodeError:
        return False
    return True


class IngestProgress:
    """One live line a stage: read, chunk, embed, index. Failures as they happen."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=ERR,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> IngestProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, stage: str, total: int | None) -> None:
        if stage in self._tasks:
            self._bars.update(self._tasks[stage], total=total)
        else:
            self._tasks[stage] = self._bars.add_task(stage, total=total)

    def advance(self, stage: str, n: int = 1) -> None:
        if stage not in self._tasks:
            self.start(stage, None)
        self._bars.advance(self._tasks[stage], n)

    def failed(self, path: str, reason: str) -> None:
        self._bars.console.print(f"  [red]failed[/] {path}: {reason}", markup=True)


class PullBars:
    """One bar for what is being pulled."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=ERR,
        )
        self._task: Any = None

    def __enter__(self) -> PullBars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage(self, model: str, what: str, total_bytes: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(f"{model}: {what}", total=total_bytes)

    def advance(self, done_bytes: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, done_bytes)
