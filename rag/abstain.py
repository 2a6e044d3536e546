"""Do the passages answer the question? What retrieval and the model say about it. Pure.

One logistic model over retrieval (does any passage come near, are the question's words there?) and
the model's own log-odds of Yes against No when asked; trained on questions with and without an
answer by `evals/train/abstention.py`. Decided before anything is generated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from rag.claims import content_words

# Every model says Yes with a readiness of its own, so the log-odds are weighed by model.
ANY_MODEL = "any"
FEATURES = ("near", "question_words", "question_words_best", "log_odds")


def answerability(
    question: str, texts: Sequence[str], near: float, log_odds: float
) -> dict[str, float]:
    """The features: `texts` are the sentences in the prompt, with their headings.

    `near` is the best sentence's value for the question, `log_odds` the model's of Yes against No.
    """
    wanted = content_words(question)
    words = [content_words(text) for text in texts]
    everywhere: frozenset[str] = frozenset().union(*words)
    return {
        "near": near,
        "question_words": _share(wanted, everywhere),
        "question_words_best": max((_share(wanted, mine) for mine in words), default=0.0),
        "log_odds": log_odds,
    }


def trust(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Probability that the passages hold the answer."""
    total = weights["bias"] + sum(weights[name] * features[name] for name in FEATURES)
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


@cache
def shipped_weights(model: str) -> Mapping[str, float]:
    """The weights trained for a model; for one that is not known, its own probability of Yes."""
    path = Path(__file__).parent / "abstain.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    weights: dict[str, float] = table.get(model, table[ANY_MODEL])["weights"]
    return weights


def _share(wanted: frozenset[str], given: frozenset[str]) -> float:
    return len(wanted & given) / len(wanted) if wanted else 0.0
