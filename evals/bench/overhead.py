"""What an answer costs outside the model: guarding, searching, packing, grounding, tracing.

One assistant answers the sample's questions; the time in which its model works is taken by a
stopwatch around the engine, and the rest is ours. There is no peer: the figure is a share.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from threading import Event

from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from evals.sample import CASES, DOCUMENTS
from rag.pipeline import Assistant
from rag.types import Decoding, Engine, Message, Token

QUESTIONS = 6


class Stopwatch:
    """An engine's own work, in seconds. It takes nothing from the engine but time to look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.sha256, self.window = engine.name, engine.sha256, engine.window
        self.seconds = 0.0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Ours: counting is for packing the prompt, and no work of the model."""
        return self._engine.count_tokens(messages)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        with self._running():
            return self._engine.score(messages, choices)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        with closing(self._engine.stream(messages, decoding, cancel)) as tokens:
            while True:
                with self._running():
                    token = next(tokens, None)
                if token is None:
                    return
                yield token

    @contextmanager
    def _running(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began


def contest(model: str, workspace: Path, say: Say) -> Contest:
    """One side, over the sample documents. Raises SurefootError if a default model is missing."""
    say("reading the sample documents")
    kb = workspace / "sample-kb"
    _fill(kb)
    assistant = Assistant.open(kb, model)
    watch = Stopwatch(assistant.engine)
    assistant.engine = watch
    questions = cycle(_questions())

    def run() -> Measure:
        watch.seconds = 0.0
        began = time.perf_counter()
        answers = [assistant.answer(next(questions)) for _ in range(QUESTIONS)]
        seconds = time.perf_counter() - began
        outside = max(0.0, seconds - watch.seconds)
        return Measure(
            seconds,
            {
                "outside_model_percent": 100 * outside / seconds,
                "outside_model_ms": 1000 * outside / QUESTIONS,
                "completion_tokens": float(sum(a.tokens.completion for a in answers)),
            },
        )

    what = f"{QUESTIONS} questions a round to the sample documents, answered by {model}"
    side = Side("surefoot", installed("surefoot") or "source", run)
    return Contest("overhead", what, (side,), compared=())


def _fill(kb: Path) -> None:
    from ingest.build import ingest
    from rag.assemble import open_bulk_embedder

    ingest([DOCUMENTS], kb, open_bulk_embedder())


def _questions() -> list[str]:
    """Answerable questions of the sample's own cases, in their order."""
    lines = (CASES / "qa.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return [case["query"] for case in cases if case["answers"] and not case.get("history")]
