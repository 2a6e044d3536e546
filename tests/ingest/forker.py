"""Runs ingest jobs that come to harm, each in a process of its own, forked after the imports.

Reads one JSON object a line: {"root", "kb", "harm", "at"}; answers with one: {"end", "seconds",
"statements"}. `end` is "killed", "done" or the error's line. Harms: "time" kills after `at`
seconds, "bytes" when the base has grown by `at` bytes, "statement" before the `at`-th SQL
statement; "file size" makes every write beyond `at` bytes of a file fail, "full disk" leaves `at`
bytes of room; "none" does nothing.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from smalldisk import small_disk

from ingest import build, sink
from ingest.errors import KnowledgeBaseError
from ingest.schema import connect_writer
from ingest.testing import HashEmbedder

sink._BATCH_CHUNKS = 8
sink._EMBED_AT_ONCE = 4
DIED = -signal.SIGKILL


class Counting:
    """Counts the SQL statements of this process, and ends it before one of them, as power would."""

    def __init__(self, last: float) -> None:
        self.seen = 0
        self._last = last
        build.connect_writer = self._connect

    def _connect(self, directory: Path) -> Any:
        connection = connect_writer(directory)
        connection.set_trace_callback(self._count)
        return connection

    def _count(self, _: str) -> None:
        self.seen += 1
        if self.seen >= self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def job(order: dict[str, Any], answer: int) -> None:
    counting = Counting(order["at"] if order["harm"] == "statement" else math.inf)
    if order["harm"] == "file size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(order["at"]), resource.RLIM_INFINITY))
    full = order["harm"] == "full disk"
    try:
        with small_disk(Path(order["kb"]), int(order["at"])) if full else nullcontext():
            build.ingest([order["root"]], order["kb"], HashEmbedder(), prune=True)
        end = "done"
    except KnowledgeBaseError as error:
        end = str(error)
    os.write(answer, json.dumps({"end": end, "statements": counting.seen}).encode())


def grown(kb: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(kb))
    except FileNotFoundError:
        # A file that is replaced just now.
        return 0


def wait_for(child: int, order: dict[str, Any]) -> None:
    """Kill the child when it is time, unless it has ended."""
    harm, at, kb = order["harm"], order["at"], Path(order["kb"])
    began, size = time.monotonic(), grown(kb)
    while harm in ("time", "bytes"):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        so_far = time.monotonic() - began if harm == "time" else grown(kb) - size
        if so_far >= at:
            os.kill(child, signal.SIGKILL)
            return
        time.sleep(0.0005)


def run(order: dict[str, Any]) -> dict[str, Any]:
    ours, theirs = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            job(order, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    wait_for(child, order)
    _, status = os.waitpid(child, 0)
    with os.fdopen(ours, encoding="utf-8") as answer:
        said = answer.read()
    killed = os.waitstatus_to_exitcode(status) == DIED
    facts = {"end": "killed"} if killed else json.loads(said)
    return facts | {"seconds": time.monotonic() - began}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
