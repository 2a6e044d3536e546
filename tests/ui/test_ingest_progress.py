"""The live lines: rates, and how many chunks are still to come."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.progress import Task
from rich.text import Text

from ui.console import IngestProgress


def screen() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=100)


def stage(progress: IngestProgress, name: str) -> Task:
    return next(task for task in progress._bars.tasks if task.description == name)


def test_what_is_to_come_is_scaled_from_what_was_read() -> None:
    with IngestProgress(screen()) as progress:
        progress.start("read", 10)
        progress.start("embed", None)
        assert stage(progress, "embed").total is None
        for _ in range(2):
            progress.advance("chunk", 30)
            progress.advance("read")
        progress.advance("embed", 20)
        assert stage(progress, "embed").total == 300
        for _ in range(8):
            progress.advance("read")
        assert {stage(progress, name).total for name in ("chunk", "embed")} == {60}
        assert stage(progress, "embed").remaining == 40


def test_lines_show_rates_and_failures() -> None:
    console = screen()
    with IngestProgress(console) as progress:
        clock = iter(range(1000))
        progress._bars.get_time = lambda: float(next(clock))
        progress.start("read", 100)
        for _ in range(10):
            progress.advance("read")
        progress.failed("/tmp/[odd] name.txt", "empty")
        progress._bars.refresh()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "10/100" in shown
    assert "/s" in shown
    assert "failed" in shown
    assert "[odd] name.txt: empty" in Text.from_ansi(shown).plain


def test_failures_can_be_left_to_the_report() -> None:
    console = screen()
    with IngestProgress(console, failures=False) as progress:
        progress.failed("a.txt", "empty")
    assert "a.txt" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_one_line_a_stage_in_order_each_with_its_rate() -> None:
    console = screen()
    with IngestProgress(console) as progress:
        clock = iter(range(10_000))
        progress._bars.get_time = lambda: float(next(clock))
        assert [task.description for task in progress._bars.tasks if task.visible] == ["read"]
        progress.start("read", 100)
        progress.start("embed", None)
        for number in range(40):
            # Files of different sizes: what is to come is another number after each.
            progress.advance("chunk", 3 + number % 5)
            progress.advance("embed", 3)
            progress.advance("index", 2)
            progress.advance("read")
        lines = [task for task in progress._bars.tasks if task.visible]
        assert [task.description for task in lines] == ["read", "chunk", "embed", "index"]
        for task in lines:
            assert task.speed
            assert task.time_remaining


def test_the_end_of_indexing_shows_that_it_goes_on() -> None:
    with IngestProgress(screen()) as progress:
        progress.start("read", 1)
        progress.advance("chunk", 2)
        progress.advance("index", 2)
        progress.advance("read")
        assert stage(progress, "index").total == 2
        progress.start("index", None)
        assert stage(progress, "index").total is None
