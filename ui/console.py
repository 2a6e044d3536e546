"""Printing: results on standard output, progress and logs on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

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


class _Rate(ProgressColumn):
    """Items a second, over the last half minute or so."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.{0 if speed >= 10 else 1}f}/s")


class IngestProgress:
    """One live line a stage, in their order. Failures as they happen.

    How many chunks there will be is known only at the end; until then it is what the files so far
    had, scaled to all of them. A stage that has an end shows how long it still takes; one that
    begins again without one (the last of indexing) moves until all is done. Without `failures`
    those are left to whoever reads the report.
    """

    STAGES = ("read", "chunk", "embed", "index", "scan")

    def __init__(self, console: Console = ERR, failures: bool = True) -> None:
        self._failures = failures
        self._bars = Progress(
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {
            stage: self._bars.add_task(stage, total=None, visible=False) for stage in self.STAGES
        }

    def __enter__(self) -> IngestProgress:
        # Looking for files may take long; a line that moves says that it goes on.
        self._bars.update(self._tasks["read"], visible=True)
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, stage: str, total: int | None) -> None:
        self._show(stage).total = total

    def advance(self, stage: str, n: int = 1) -> None:
        self._bars.advance(self._show(stage).id, n)
        if stage in ("read", "chunk"):
            self._expect()

    def failed(self, path: str, reason: str) -> None:
        if self._failures:
            self._bars.console.print(f"  [red]failed[/] {escape(path)}: {escape(reason)}")

    def _expect(self) -> None:
        """Chunks to come: as many for the files that are left as for those that were read."""
        read, chunk = self._task("read"), self._task("chunk")
        if not read.total or not read.completed or not chunk.visible:
            return
        # Set where it is: what changes a total by its method forgets how fast it went.
        for stage in ("chunk", "embed", "index"):
            self._task(stage).total = round(chunk.completed * max(read.total / read.completed, 1.0))

    def _show(self, stage: str) -> Task:
        task = self._task(stage)
        task.visible = True
        return task

    def _task(self, stage: str) -> Task:
        return self._bars.tasks[self._bars.task_ids.index(self._tasks[stage])]


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
