"""`surefoot serve` under load, over HTTP alone: what gets through, how fast, what is refused.

Each round has a server of its own, so that its cache begins empty. It answers from the sample
documents with the model of the config. Every question is asked twice, by clients of four keys that
all begin at once: half of what is asked can come from the cache at best.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evals.bench.clients import Address, Reply, crowd, ready
from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from evals.sample import CASES, DOCUMENTS
from rag.config import load
from rag.errors import SurefootError

SIZE = 16
KEYS = 4
TIMES = 2
TIMEOUT_S = 300.0
_START_S = 120.0
COMMAND = (sys.executable, "-m", "ui.cli")
_ADDRESS = re.compile(r"http://(127\.0\.0\.1):(\d+)")
_PLENTY = 10**9


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server."""

    address: Address
    pid: int


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """`size` clients, each with two questions. Raises SurefootError where a command fails."""
    kb = workspace / "kb"
    say("ingesting the sample documents")
    surefoot("ingest", str(DOCUMENTS), "--kb", str(kb))
    secrets = [add_key(kb, f"client-{number}") for number in range(KEYS)]
    asked = questions(size)

    def run() -> Measure:
        with serving(kb, workspace / "serve.log") as server:
            began = time.perf_counter()
            replies = crowd(server.address, secrets, asked, TIMEOUT_S)
            return measured(replies, time.perf_counter() - began)

    side = Side("surefoot serve", installed("surefoot") or "source", run)
    what = f"{size} clients of {KEYS} keys, {TIMES} questions each, {load().engine.model}"
    return [Contest("answers over HTTP", what, (side,))]


def questions(clients: int) -> list[list[str]]:
    """Two questions a client; each is asked by two clients, one of them later."""
    lines = (CASES / "qa.jsonl").read_text(encoding="utf-8").splitlines()
    known = [json.loads(line)["query"] for line in lines]
    # Beyond what the sample has, a question stands in other words, which make it another one.
    varied = [f"Please tell me: {query}" for query in known]
    pool = [*known, *varied]
    return [[pool[i % len(pool)], pool[(i + 1) % clients % len(pool)]] for i in range(clients)]


def measured(replies: Sequence[Reply], seconds: float) -> Measure:
    """The figures of a round. Times are seconds, of answers alone; shares are of all requests."""
    made = [r.first_shown_s for r in replies if r.answered and r.made and r.first_shown_s]
    known = [r.first_shown_s for r in replies if r.answered and not r.made and r.first_shown_s]
    answered = sum(r.answered for r in replies)
    return Measure(
        seconds,
        {
            "requests": len(replies),
            "answers_per_s": answered / seconds,
            "first_shown_p50_s": _quantile(made, 0.5),
            "first_shown_p95_s": _quantile(made, 0.95),
            "cached_shown_p50_s": _quantile(known, 0.5),
            "cache_hit_rate": len(known) / max(1, answered),
            "refused_rate": sum(r.refused for r in replies) / len(replies),
            "lost": sum(not r.settled for r in replies),
        },
    )


@contextmanager
def serving(kb: Path, log: Path, program: Sequence[str] = COMMAND, **env: str) -> Iterator[Serving]:
    """A server of `kb` that is ready, until the end. Raises SurefootError if it does not start."""
    words = [*program, "serve", "--kb", str(kb), "--port", "0"]
    with log.open("wb") as out:
        server = subprocess.Popen(
            words, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **env}
        )
    try:
        yield Serving(_ready(server, log), server.pid)
    finally:
        server.terminate()
        server.wait()


def add_key(kb: Path, name: str) -> str:
    """The secret of a new key that may ask without end. Raises SurefootError."""
    plenty = ("--rate", str(_PLENTY), "--tokens", str(_PLENTY))
    made = surefoot("keys", "add", name, "--kb", str(kb), "--json", *plenty)
    return str(json.loads(made)["secret"])


def _ready(server: subprocess.Popen[bytes], log: Path) -> Address:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and server.poll() is None:
        found = _ADDRESS.search(log.read_text(encoding="utf-8"))
        if found is not None and ready((found[1], int(found[2]))):
            return found[1], int(found[2])
        time.sleep(0.2)
    last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
    raise SurefootError(f"the server did not start: {last[0] if last else 'it said nothing'}")


def surefoot(*words: str) -> str:
    """What a command prints. Raises SurefootError with its last line if it fails."""
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise SurefootError(last[0] if last else f"surefoot {words[0]} failed")
    return done.stdout


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else 0.0
