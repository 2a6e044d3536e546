"""Beam search: the likeliest of several replies that grow side by side; known only at their end."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from rag.engines.hf.choose import Chosen
from rag.types import Decoding


class _Cancelled(StoppingCriteria):
    def __init__(self, cancel: Event) -> None:
        self._cancel = cancel

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        del scores
        return torch.full((input_ids.shape[0],), self._cancel.is_set(), device=input_ids.device)


def search(
    model: Any, prompt: Sequence[int], decoding: Decoding, limit: int, cancel: Event
) -> list[Chosen]:
    """The tokens of the best of `decoding.beams` replies, end-of-text left out; none on `cancel`.

    Log-probabilities are the model's, after a repetition penalty if there is one.
    """
    inputs = torch.tensor([list(prompt)], device=model.device)
    out = model.generate(
        inputs,
        attention_mask=torch.ones_like(inputs),
        max_new_tokens=limit,
        num_beams=decoding.beams,
        do_sample=False,
        temperature=None,
        top_k=None,
        top_p=None,
        repetition_penalty=decoding.repetition_penalty,
        return_dict_in_generate=True,
        output_scores=True,
        stopping_criteria=StoppingCriteriaList([_Cancelled(cancel)]),
    )
    if cancel.is_set():
        return []
    logprobs = model.compute_transition_scores(
        out.sequences, out.scores, out.beam_indices, normalize_logits=False
    )
    ids = out.sequences[0, len(prompt) :].tolist()
    return [
        (token, min(0.0, value)) for token, value in zip(ids, logprobs[0].tolist(), strict=False)
    ]
