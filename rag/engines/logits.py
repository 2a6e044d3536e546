"""Log-probabilities out of rows of logits, and the batch that llama.cpp fills them from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def logprob(row: Any, target: int) -> float:
    """The natural log of one token's probability, by float32 logits, at temperature 1."""
    top = row.max()
    return float(row[target] - top - np.log(np.exp(row - top).sum()))


def spread(row: Any, target: int) -> tuple[float, float, float]:
    """Of one row: the target's log-probability, the entropy, the likeliest token's. In nats."""
    shifted = row - row.max()
    weights = np.exp(shifted)
    total = weights.sum()
    log_total = float(np.log(total))
    entropy = log_total - float(weights @ shifted) / float(total)
    return float(shifted[target]) - log_total, entropy, -log_total


def fill(batch: Any, ids: Sequence[int], position: int, wanted: int) -> None:
    """Put tokens into a llama batch; logits come of the last `wanted`, and of the very last."""
    batch.n_tokens = len(ids)
    for index, token_id in enumerate(ids):
        batch.token[index] = token_id
        batch.pos[index] = position + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = index >= len(ids) - max(1, wanted)
