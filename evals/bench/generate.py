"""`surefoot bench generate`: our llama.cpp engine beside llama-cpp-python alone, on one GGUF file.

Then what an answer costs outside the model, and many prompts at once (see `overhead`, `batch`).
Both read the same new prompt each round, decode greedily, then get a second question in the same
conversation, whose beginning each may keep from the first. What ours adds is the probability of
every token, exact counts, stop strings and cancelling; the bench says what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event

import numpy as np

from evals.bench.harness import Contest, Measure, Say, Side
from evals.bench.machine import installed
from evals.bench.texts import SEED, paragraph, topic
from rag.engines.llamacpp import WINDOW, LlamaCppEngine, usable_cpus
from rag.models import resolve, spec
from rag.types import Decoding, Message

MODEL = "qwen2.5-coder-0.5b"
SIZE = 24
MAX_TOKENS = 48
FOLLOW_UP = "Say the same in other words, in one long sentence."

Reply = Callable[[Sequence[Message], int], Iterable[str]]


def plan(size: int, workspace: Path, say: Say) -> list[Contest]:
    """Prompts of `size` sentences. Raises ModelUnavailable, EngineError if llama.cpp is missing."""
    from evals.bench import batch, overhead

    return [
        _decoding(size, say),
        overhead.contest(MODEL, workspace, say),
        batch.contest(size, workspace, say),
    ]


def _decoding(size: int, say: Say) -> Contest:
    say(f"loading {MODEL} twice")
    path, threads = resolve(MODEL), usable_cpus()
    engine = LlamaCppEngine(path, MODEL, spec(MODEL).sha256, WINDOW, threads)
    # Only now: without llama-cpp-python the engine says so, and how to install it.
    from evals.bench.peers.llama import BareLlama

    bare = BareLlama(path, WINDOW, threads)

    def ours(messages: Sequence[Message], limit: int) -> Iterable[str]:
        with closing(engine.stream(messages, Decoding(max_tokens=limit), Event())) as tokens:
            yield from (token.text for token in tokens)

    prompt = _prompt(size, 0)
    tokens = engine.count_tokens(prompt)
    same = "".join(ours(prompt, MAX_TOKENS)) == "".join(bare.stream(prompt, MAX_TOKENS))
    sides = (
        _side("surefoot", installed("surefoot") or "source", ours, size, engine.count_tokens),
        _side(
            "llama-cpp-python alone",
            installed("llama-cpp-python") or "source",
            bare.stream,
            size,
            engine.count_tokens,
        ),
    )
    what = (
        f"{MODEL}, prompts of about {tokens} tokens, {MAX_TOKENS} decoded, on {threads} threads;"
        f" the two replies to one prompt are {'the same' if same else 'different'}"
    )
    compared = ("seconds", "prompt_s", "decode_ms_per_token", "follow_up_s")
    return Contest("generate", what, sides, compared)


def _prompt(size: int, number: int) -> tuple[Message, ...]:
    """A prompt that differs from all others from its first words on: no prefix is known."""
    random = np.random.default_rng(SEED + number)
    name, text = topic(random), paragraph(random, size)
    return (
        Message("system", f"You are the assistant of {name}. Answer from the text."),
        Message("user", f"{text}\n\nSum the text up in five sentences."),
    )


def _side(
    name: str,
    version: str,
    reply: Reply,
    size: int,
    count_tokens: Callable[[Sequence[Message]], int],
) -> Side:
    numbers = count(1)

    def run() -> Measure:
        prompt = _prompt(size, next(numbers))
        began = time.perf_counter()
        first, decode, pieces = _timed(reply(prompt, MAX_TOKENS))
        text = "".join(pieces)
        longer = (*prompt, Message("assistant", text), Message("user", FOLLOW_UP))
        follow_up, _, _ = _timed(reply(longer, 2))
        seconds = time.perf_counter() - began
        return Measure(
            seconds,
            {
                "prompt_s": first,
                "prompt_tokens_per_s": count_tokens(prompt) / first,
                "decode_ms_per_token": 1000 * decode / max(1, len(pieces) - 1),
                "decode_tokens_per_s": max(1, len(pieces) - 1) / decode,
                "follow_up_s": follow_up,
                "tokens": float(len(pieces)),
            },
        )

    return Side(name, version, run)


def _timed(pieces: Iterable[str]) -> tuple[float, float, list[str]]:
    """(seconds to the first piece, seconds from it to the last one, the pieces)."""
    began = time.perf_counter()
    stamps, texts = [], []
    for piece in pieces:
        stamps.append(time.perf_counter())
        texts.append(piece)
    if not stamps:
        return time.perf_counter() - began, 1e-9, texts
    return stamps[0] - began, max(1e-9, stamps[-1] - stamps[0]), texts
