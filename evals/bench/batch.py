"""Many prompts over passages at once: our continuous batching beside `generate` one by one.

On a GPU with the hub model that `engine.model` names, and beside the limit that reading every
weight once a step sets. Elsewhere with a small model of random weights: that shows the ratio of
one CPU and that the replies are the same, not how fast a GPU is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import numpy as np

from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from evals.bench.texts import SEED, paragraph, topic
from rag.config import load
from rag.engines.hf import TransformersEngine
from rag.models import catalogue
from rag.types import Decoding, Message

GPU_PROMPTS, CPU_PROMPTS = 256, 24
GPU_TOKENS, CPU_TOKENS = 128, 32
WINDOW, GPU_SLOTS = 4096, 256


def contest(size: int, workspace: Path, say: Say) -> Contest:
    """Prompts of `size` sentences. Raises EngineError if the model can't be loaded."""
    from evals.bench.peers.generate import OneByOne

    engine, note = _open(workspace, say)
    many, limit = (GPU_PROMPTS, GPU_TOKENS) if engine.on_gpu else (CPU_PROMPTS, CPU_TOKENS)
    asked, peer = _prompts(many, size), OneByOne(engine)
    ours, theirs = _replies(engine, asked, limit), peer.replies(asked, limit)
    same = sum(left == right for left, right in zip(ours, theirs, strict=True))
    what = (
        f"{many} prompts of about {engine.count_tokens(asked[0])} tokens, {limit} decoded, greedy;"
        f" up to {engine.slots} side by side; {same} of {many} replies are the same, token for"
        f" token{note}"
    )
    sides = (
        _side("surefoot", "surefoot", lambda: _replies(engine, asked, limit), _limit(engine)),
        _side("generate, one by one", "transformers", lambda: peer.replies(asked, limit), {}),
    )
    return Contest("batch", what, sides)


def _open(workspace: Path, say: Say) -> tuple[TransformersEngine, str]:
    """The engine to measure, and what must be said about it."""
    from evals.bench.peers.generate import gpu, random_model

    name = load().engine.model
    if gpu() and name not in catalogue() and not name.endswith(".gguf") and ":" not in name:
        say(f"loading {name}")
        return TransformersEngine(name, WINDOW, GPU_SLOTS), f"; {name} on {gpu()}"
    texts = [paragraph(np.random.default_rng(SEED + number), 200) for number in range(4)]
    folder = random_model(workspace / "random-model", texts)
    note = "; a random model: no GPU was measured, it takes one and a hub model in engine.model"
    return TransformersEngine(folder, WINDOW, CPU_PROMPTS), note


def _limit(engine: TransformersEngine) -> dict[str, float]:
    """Tokens a second if a step took no longer than reading every weight once; {} on a CPU."""
    from evals.bench.peers.generate import bandwidth, weight_bytes

    if not engine.on_gpu:
        return {}
    return {"memory_limit_tokens_per_s": engine.slots * bandwidth() / weight_bytes(engine)}


def _prompts(many: int, size: int) -> list[tuple[Message, ...]]:
    """Prompts that share their first words, and no more."""
    randoms = [np.random.default_rng(SEED + number) for number in range(many)]
    return [
        (
            Message("system", "Answer from the passages, and say so if they do not tell."),
            Message("user", f"{paragraph(random, size)}\n\nWhat is said of {topic(random)}?"),
        )
        for random in randoms
    ]


def _replies(
    engine: TransformersEngine, asked: Sequence[Sequence[Message]], limit: int
) -> list[list[int]]:
    """Tokens by prompt, from a cache that knows none of them."""
    engine.rewind(())
    replies: list[list[int]] = [[] for _ in asked]
    for index, token, _ in engine.stream_all(asked, Decoding(max_tokens=limit), Event()):
        replies[index].append(token)
    return replies


def _side(
    name: str, package: str, reply: Callable[[], list[list[int]]], limit: dict[str, float]
) -> Side:
    def run() -> Measure:
        began = time.perf_counter()
        tokens = sum(len(each) for each in reply())
        seconds = time.perf_counter() - began
        return Measure(seconds, {"decoded_tokens_per_s": tokens / seconds, **limit})

    return Side(name, installed(package) or "source", run)
