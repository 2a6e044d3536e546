"""Is the answer that begins here worth showing? What the passages and the model say about it. Pure.

One logistic model over retrieval (does any passage come near the question, are its words there?),
the first claim's support, and the model's own log-probabilities; trained on questions with and
without an answer by `evals/train/abstention.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from rag.claims import content_words

FEATURES = (
    "near",
    "question_words",
    "question_words_best",
    "support",
    "mean_logprob",
    "low_logprob",
)
FLOOR = -8.0


def answerability(
    question: str,
    texts: Sequence[str],
    near: float,
    support: float,
    logprobs: Sequence[float],
) -> dict[str, float]:
    """Features of a first claim: `texts` are the sentences in the prompt, with their headings.

    `near` is the best sentence's value for the question; `logprobs` are those of the claim's
    tokens, natural logs.
    """
    wanted = content_words(question)
    words = [content_words(text) for text in texts]
    everywhere = frozenset().union(*words)
    bounded = [max(FLOOR, value) for value in logprobs] or [FLOOR]
    lowest = sorted(bounded)[: max(1, len(bounded) // 5)]
    return {
        "near": near,
        "question_words": _share(wanted, everywhere),
        "question_words_best": max((_share(wanted, mine) for mine in words), default=0.0),
        "support": support,
        "mean_logprob": sum(bounded) / len(bounded),
        "low_logprob": sum(lowest) / len(lowest),
    }


def trust(features: Mapping[str, float], weights: Mapping[str, float] | None = None) -> float:
    """Probability that the answer is right."""
    weights = weights or shipped_weights()
    total = weights["bias"] + sum(weights[name] * features[name] for name in FEATURES)
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


@cache
def shipped_weights() -> Mapping[str, float]:
    path = Path(__file__).parent / "abstain.json"
    weights: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))["weights"]
    return weights


def _share(wanted: frozenset[str], given: frozenset[str]) -> float:
    return len(wanted & given) / len(wanted) if wanted else 0.0
