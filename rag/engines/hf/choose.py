"""The next token out of logits: greedy, or sampled within top-k and top-p."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rag.types import Decoding

# A token and its natural-log probability.
Chosen = tuple[int, float]


def chooser(seed: int) -> Any:
    """A source of chance for one stream; on the CPU, so that a seed means the same everywhere."""
    return torch.Generator(device="cpu").manual_seed(seed)


def plain(decoding: Decoding) -> bool:
    """True if the likeliest token is taken as the model gives it."""
    return decoding.temperature == 0 and decoding.repetition_penalty == 1.0


def likeliest(logits: Any) -> list[Chosen]:
    """(token, log-probability) of the best of each row of logits, shape (rows, vocabulary)."""
    rows = logits.float()
    best = rows.max(dim=-1)
    logprobs = best.values - rows.logsumexp(dim=-1)
    return list(zip(best.indices.tolist(), logprobs.clamp(max=0.0).tolist(), strict=True))


def pick(logits: Any, decoding: Decoding, seen: Sequence[int], chance: Any) -> Chosen:
    """(token, log-probability) for logits of shape (vocabulary,), after the tokens `seen`.

    The probability is the model's own, before penalty and temperature.
    """
    if plain(decoding):
        return likeliest(logits[None])[0]
    row = logits.float().cpu()
    token_id = _choose(row, decoding, seen, chance)
    return token_id, float(torch.log_softmax(row, dim=-1)[token_id])


def _choose(logits: Any, decoding: Decoding, seen: Sequence[int], chance: Any) -> int:
    """Repetition penalty as in Keskar et al., CTRL, 2019. Nucleus as in Holtzman et al., 2020."""
    if decoding.repetition_penalty != 1.0:
        index = torch.tensor(sorted(set(seen)))
        picked = logits[index]
        penalty = decoding.repetition_penalty
        logits = logits.clone()
        logits[index] = torch.where(picked > 0, picked / penalty, picked * penalty)
    if decoding.temperature == 0:
        return int(logits.argmax())
    size = min(decoding.top_k, logits.numel()) if decoding.top_k > 0 else logits.numel()
    values, ids = torch.topk(logits / decoding.temperature, size)
    probabilities = torch.softmax(values, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities[before >= decoding.top_p] = 0.0
    return int(ids[torch.multinomial(probabilities, 1, generator=chance)])
