"""Evaluations that the page starts. Each is a `surefoot eval`: it neither slows nor needs the page.

What is done stands in the run's journal; stopped anywhere, it goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from signal import SIGTERM
from threading import Lock

from evals.errors import RunError
from evals.journal import case_key
from evals.rundir import INFO, JOURNAL, read_info, write_file
from evals.types import Case, Pins
from ingest.lock import NAME as LOCK
from ui.evaluation_runs import JOB

COMMAND = (sys.executable, "-P", "-m", "ui.cli")
"""`surefoot`; with -P no folder named `ui` where the page was started takes its place."""
LOG = "job.log"
SAMPLES = 60
_HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255}) since")


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of `surefoot eval`. It is kept with its run, so that it can go on."""

    suite: str
    cases: str
    kb: str
    sample: int | None = None
    baseline: str = ""
    gates: str = ""
    model: str = ""
    groups: tuple[str, ...] = ()

    def command(self, folder: Path) -> list[str]:
        """The words after `surefoot`."""
        words = ["eval", self.suite, "--cases", self.cases, "--kb", self.kb, "--out", str(folder)]
        words += ["--sample", str(self.sample)] if self.sample else []
        words += ["--baseline", self.baseline] if self.baseline else []
        words += ["--gates", self.gates] if self.gates else []
        words += ["--model", self.model] if self.model else []
        for group in self.groups:
            words += ["--group", group]
        return [*words, "--json"]


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a run is: cases done, those of them that failed, all. `left_s` is None if unknown."""

    done: int
    failed: int
    total: int | None
    left_s: float | None


class Progress:
    """How far a run is, by its journal, of which every line is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = 0
        self._pins: Pins | None = None
        self._total: int | None = None
        self._failed: dict[str, bool] = {}
        self._seen: deque[tuple[float, int]] = deque(maxlen=SAMPLES)

    def look(self, now: float) -> Stand:
        """`now` is in seconds of any clock that does not go back."""
        if self._pins is None:
            self._open()
        if self._pins is not None:
            self._read(self._pins)
        done = len(self._failed)
        if not self._seen or self._seen[-1][1] != done:
            self._seen.append((now, done))
        left = seconds_left([*self._seen, (now, done)], self._total)
        return Stand(done, sum(self._failed.values()), self._total, left)

    def _open(self) -> None:
        if (self._folder / INFO).is_file():
            info = read_info(self._folder)
            self._pins, self._total = info.pins, info.n

    def _read(self, pins: Pins) -> None:
        try:
            with (self._folder / JOURNAL).open("rb") as file:
                file.seek(self._place)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.splitlines():
            self._note(line, pins)

    def _note(self, line: bytes, pins: Pins) -> None:
        """Rows of earlier settings do not count, and neither do broken ones, as in the run."""
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
            key, case = row["key"], Case(row["id"], "", {}, row["sha256"])
            if key == case_key(pins, case):
                self._failed[key] = bool(row["reason"]) and self._failed.get(key, True)
        except (ValueError, KeyError, TypeError):
            return


def seconds_left(seen: Sequence[tuple[float, int]], total: int | None) -> float | None:
    """By the pace from the first sight of a case done to the last; None without two of them."""
    moved = [(at, done) for at, done in seen if done]
    if total is None or len(moved) < 2 or moved[-1][1] <= moved[0][1]:
        return None
    pace = (moved[-1][1] - moved[0][1]) / max(1e-9, moved[-1][0] - moved[0][0])
    return max(0.0, (total - moved[-1][1]) / pace)


class Jobs:
    """The evaluations that run; one of these a process. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._progress: dict[Path, Progress] = {}

    def start(self, folder: Path, job: Job) -> None:
        """Begin a run, or go on with it. Raises RunError."""
        with self._lock:
            if self._alive(folder):
                raise RunError(folder, "is under way already")
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_file(folder / JOB, json.dumps(asdict(job)).encode())
                self._children[folder] = _begin(folder, job)
            except OSError as error:
                raise RunError(folder, f"cannot be started: {error.strerror or error}") from error
            self._progress.pop(folder, None)

    def alive(self, folder: Path) -> bool:
        """Whether a process writes this run, whoever started it."""
        with self._lock:
            return self._alive(folder)

    def stop(self, folder: Path) -> None:
        """End it at once; every case that is done is kept."""
        with self._lock:
            child, writer = self._children.get(folder), writer_of(folder)
            if child is not None and child.poll() is None:
                child.terminate()
                child.wait()
            elif writer is not None and _lives(writer):
                os.kill(writer, SIGTERM)

    def look(self, folder: Path) -> Stand:
        """How far a run is. Raises RunError for a damaged one."""
        with self._lock:
            progress = self._progress.setdefault(folder, Progress(folder))
            return progress.look(time.monotonic())

    def _alive(self, folder: Path) -> bool:
        child = self._children.get(folder)
        if child is not None and child.poll() is None:
            return True
        return writer_of(folder) is not None


def _begin(folder: Path, job: Job) -> subprocess.Popen[bytes]:
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return subprocess.Popen(
            [*COMMAND, *job.command(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


def read_job(folder: Path) -> Job | None:
    """What the page asked for; None for a run that it did not start. Raises RunError."""
    try:
        row = json.loads((folder / JOB).read_text(encoding="utf-8"))
        return replace(Job(**row), groups=tuple(row.get("groups", ())))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(folder, f"{JOB} cannot be read ({error})") from error


def last_words(folder: Path) -> str:
    """Why the command ended, as it said itself; "" if it said nothing."""
    try:
        said = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    told = [line.removeprefix("surefoot: ") for line in said if line.startswith("surefoot: ")]
    return told[-1] if told else ""


def writer_of(folder: Path) -> int | None:
    """The process on this machine that writes a run now, if any.

    The lock itself is only tried where the process that signed it lives: what is about to take a
    lock is never in its way.
    """
    try:
        with (folder / LOCK).open("rb") as file:
            match = _HOLDER.match(file.read(400).decode("utf-8", "replace"))
            if match is None or match[2] != socket.gethostname() or not _lives(int(match[1])):
                return None
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BlockingIOError:
        return int(match[1]) if match else None
    return None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
