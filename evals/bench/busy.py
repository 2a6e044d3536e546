"""The CPU engine beside other work: ours, and with OpenMP's threads waiting as they do by default.

Each round is a process of its own, which loads the small model and answers once, alone and beside
`size` processes that never rest. The peer differs in one variable of the environment, so what
differs in time is what `rag.engines.llamacpp.share_cpus` gives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from rag.engines.llamacpp import TURNS_BEFORE_SLEEP, LlamaCppEngine, usable_cpus
from rag.errors import SurefootError
from rag.models import resolve
from rag.types import Decoding, Message

MODEL = "qwen2.5-coder-0.5b"
SIZE = usable_cpus()
TOKENS, SENTENCES = 32, 12
# What GCC documents as the number where nobody says one.
OPENMP_TURNS = "300000"
PROMPT = "The ferry leaves at nine and takes cars, bicycles and dogs. " * SENTENCES
_PATIENCE_S = 600.0
_NEVER_REST = "while True: pass"


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """Alone, and beside `size` busy processes. Raises SurefootError if the model is missing."""
    del workspace
    resolve(MODEL)
    say(f"one process a round; beside {size} busy ones OpenMP's own way may take minutes")
    what = f"a prompt of {SENTENCES} sentences read, {TOKENS} tokens said, by {MODEL}"
    return [
        _contest("the engine alone", what, 0),
        _contest("the engine beside other work", f"{what}, beside {size} busy processes", size),
    ]


def _contest(name: str, what: str, others: int) -> Contest:
    version = installed("llama-cpp-python") or "source"
    sides = tuple(
        Side(side, version, partial(_round, turns, others))
        for side, turns in (
            ("surefoot", TURNS_BEFORE_SLEEP),
            ("OpenMP's own waiting", OPENMP_TURNS),
        )
    )
    return Contest(name, what, sides, ("seconds", "token_s"))


def _round(turns: str, others: int) -> Measure:
    environment = {**os.environ, "GOMP_SPINCOUNT": turns}
    environment.pop("OMP_WAIT_POLICY", None)
    with _busy(others):
        done = subprocess.run(
            [sys.executable, "-m", "evals.bench.busy"],
            env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SurefootError(f"the engine's process ended with {done.returncode}")
    first, token = json.loads(done.stdout)
    return Measure(first + TOKENS * token, {"first_s": first, "token_s": token})


@contextmanager
def _busy(count: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", _NEVER_REST]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def answered() -> tuple[float, float]:
    """Seconds to the first token, and for each of the others, of one answer by a new engine."""
    engine = LlamaCppEngine(resolve(MODEL), MODEL, "")
    asked = [Message("user", f"{PROMPT}Count to a hundred.")]
    began = time.perf_counter()
    times = [
        time.perf_counter() - began
        for _ in engine.stream(asked, Decoding(max_tokens=TOKENS), Event())
    ]
    if len(times) < 2:
        raise SurefootError(f"{MODEL} said less than two tokens")
    return times[0], (times[-1] - times[0]) / (len(times) - 1)


if __name__ == "__main__":
    print(json.dumps(answered()))
