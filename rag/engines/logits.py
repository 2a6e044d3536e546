"""Log-probabilities out of rows of logits, and the batch that llama.cpp fills them from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def logprob(row: Any, target: int) -> float:
    """The natural log of one token's probability, by float32 logits, at temperature 1."""
    top = row.max()
    return float(row[target] - top - np.log(np.exp(row - top).sum()))


def fill(batch: Any, ids: Sequence[int], position: int, wanted: int) -> None:
    """Put tokens into a llama batch; logits come of the last `wanted`, and of the very last."""
    batch.n_tokens = len(ids)
    for index, token_id in enumerate(ids):
        batch.token[index] = token_id
        batch.pos[index] = position + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = index >= len(ids) - max(1, wanted)
