"""Evaluations that the page starts: their command, how far they are, how they end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.errors import RunError
from evals.journal import Journal
from evals.rundir import JOURNAL, write_info
from evals.types import Case, Outcome, Pins, RunInfo
from ingest.lock import writer_lock
from ui import evaluation_jobs
from ui.evaluation_jobs import (
    LOG,
    Job,
    Jobs,
    Progress,
    Stand,
    last_words,
    read_job,
    seconds_left,
    writer_of,
)
from ui.evaluation_runs import JOB

PINS = Pins("pii", "m")
CASES = [Case(str(n), str(n), {}, f"sha{n}") for n in range(6)]
GOOD, BAD = Outcome({"findings": []}, 1.0), Outcome({}, 1.0, "too long")


def test_the_command_names_what_was_asked_and_nothing_more() -> None:
    job = Job("pii", "c.jsonl", "kb", sample=5, gates="g.toml", groups=("a", "b"))
    words = job.command(Path("runs/x"))
    assert " ".join(words) == (
        "eval pii --cases c.jsonl --kb kb --out runs/x --sample 5 --gates g.toml "
        "--group a --group b --json"
    )


def test_a_job_is_read_as_it_was_kept(tmp_path: Path) -> None:
    assert read_job(tmp_path) is None
    job = Job("pii", "c.jsonl", "kb", groups=("a",))
    (tmp_path / JOB).write_text(json.dumps(asdict(job)), encoding="utf-8")
    assert read_job(tmp_path) == job
    for text in ("{", "[]", '{"suite": 1}', '{"suite": "pii", "more": 1}'):
        (tmp_path / JOB).write_text(text, encoding="utf-8")
        with pytest.raises(RunError):
            read_job(tmp_path)


def test_progress_reads_on_where_it_was(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert progress.look(0.0) == Stand(0, 0, None, None)
    write_info(tmp_path, RunInfo(PINS, (), 6, None, 0))
    journal = Journal(tmp_path / JOURNAL)
    journal.append(Pins("pii", "another"), [(CASES[0], GOOD)])
    assert progress.look(1.0) == Stand(0, 0, 6, None)
    journal.append(PINS, [(CASES[0], BAD), (CASES[1], GOOD)])
    assert progress.look(2.0) == Stand(2, 1, 6, None)
    journal.append(PINS, [(CASES[0], GOOD)])
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"key": "half a li')
    assert progress.look(3.0) == Stand(2, 0, 6, None)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"ne\nnot JSON\n")
    journal.append(PINS, [(CASES[2], GOOD), (CASES[3], GOOD)])
    journal.close()
    assert progress.look(6.0) == Stand(4, 0, 6, 4.0)


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 50)), max_size=8),
    st.none() | st.integers(0, 50),
)
def test_the_time_left_is_none_or_not_negative(
    seen: list[tuple[float, int]], total: int | None
) -> None:
    ordered = list(zip(sorted(at for at, _ in seen), sorted(n for _, n in seen), strict=True))
    left = seconds_left(ordered, total)
    assert left is None or left >= 0


def test_who_writes_a_run(tmp_path: Path) -> None:
    assert writer_of(tmp_path) is None
    hold = f"""
import sys, time
from pathlib import Path
from ingest.lock import writer_lock
with writer_lock(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert writer_of(tmp_path) == child.pid
        jobs = Jobs()
        assert jobs.alive(tmp_path)
        with pytest.raises(RunError, match="under way"):
            jobs.start(tmp_path, Job("pii", "c", "kb"))
        jobs.stop(tmp_path)
        child.wait(timeout=20)
    finally:
        child.kill()
    assert writer_of(tmp_path) is None
    with writer_lock(tmp_path):
        pass
    assert writer_of(tmp_path) is None, "this process lives, and has let go"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """commands(code): a job runs this code instead of `surefoot`."""

    def play(code: str) -> None:
        monkeypatch.setattr(evaluation_jobs, "COMMAND", (sys.executable, "-c", code))

    return play


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_job_is_stopped_and_goes_on(tmp_path: Path, commands: Callable[[str], None]) -> None:
    commands("import time; time.sleep(60)")
    jobs, folder, job = Jobs(), tmp_path / "runs" / "pii-1", Job("pii", "c.jsonl", "kb")
    jobs.start(folder, job)
    assert jobs.alive(folder)
    jobs.stop(folder)
    assert not jobs.alive(folder)
    assert read_job(folder) == job
    jobs.start(folder, job)
    assert jobs.alive(folder)
    jobs.stop(folder)
    jobs.stop(folder)


def test_why_a_job_ended_is_kept(tmp_path: Path, commands: Callable[[str], None]) -> None:
    commands("import sys; sys.exit('surefoot: c.jsonl:1: has no id')")
    jobs = Jobs()
    assert last_words(tmp_path) == ""
    jobs.start(tmp_path, Job("pii", "c.jsonl", "kb"))
    wait_until(lambda: not jobs.alive(tmp_path))
    assert last_words(tmp_path) == "c.jsonl:1: has no id"
    assert (tmp_path / LOG).stat().st_mode & 0o77 == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be started"):
        Jobs().start(tmp_path / "file" / "run", Job("pii", "c", "kb"))
