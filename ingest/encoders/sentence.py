"""A sentence-transformers model: on a GPU, and on a CPU where no graph can be made of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.encoders.arithmetic import Arithmetic, fastest
from ingest.encoders.layers import depths
from ingest.types import Vectors, unit

_BATCH = 32
_BATCH_GPU = 256
# Below every state, and within float16.
_FAR = 1e4


class SentenceEncoder:
    """Texts to unit vectors by torch. Safe to share by threads under a lock."""

    def __init__(self, model: Any, batch: int) -> None:
        self._model = model
        self._batch = batch

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimension); a text is cut at the model's window."""
        found = self._model.encode(
            list(texts), batch_size=self._batch, convert_to_numpy=True, show_progress_bar=False
        )
        return unit(np.asarray(found, dtype=np.float32))

    def layers(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), VIEWS * dimension): the vectors, then the views of other layers."""
        starts = range(0, len(texts), self._batch)
        views = [self._views(texts[start : start + self._batch]) for start in starts]
        return np.hstack([self.encode(texts), np.concatenate(views)])

    def _views(self, texts: Sequence[str]) -> Vectors:
        import torch

        most = self._model.max_seq_length
        tokens = self._model.tokenizer(
            list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            found = self._model[0].auto_model(**tokens, output_hidden_states=True).hidden_states
        present = tokens["attention_mask"].unsqueeze(2)
        low, high = (found[depth] for depth in depths(len(found) - 1))
        means = [(states * present).sum(1) / present.sum(1) for states in (low, high)]
        peaks = [states.masked_fill(present == 0, -_FAR).amax(1) for states in (found[-1], high)]
        views: Vectors = torch.cat([*means, *peaks], 1).float().cpu().numpy()
        return views


class SentenceTokens:
    """Texts to a unit vector for each token, by torch."""

    def __init__(self, model: Any, batch: int) -> None:
        self._model = model
        self._batch = batch

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (tokens, dimension), of what stands in the window, specials too."""
        found = self._model.encode(
            list(texts),
            output_value="token_embeddings",
            batch_size=self._batch,
            show_progress_bar=False,
        )
        return [unit(states.float().cpu().numpy()) for states in found]


def open_sentence(folder: Path) -> SentenceEncoder:
    """float16 on a GPU; on a CPU bfloat16 where it multiplies that. Raises OSError, ValueError."""
    return SentenceEncoder(*_model(folder))


def open_sentence_tokens(folder: Path) -> SentenceTokens:
    """As `open_sentence`, for the states of tokens."""
    return SentenceTokens(*_model(folder))


def _model(folder: Path) -> tuple[Any, int]:
    """A SentenceTransformer, and how many texts it takes at once."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = SentenceTransformer(str(folder), device=device, local_files_only=True)
    if device == "cuda":
        return model.half(), _BATCH_GPU
    if fastest(allowed_int8=False) is Arithmetic.bfloat16:
        model = model.to(torch.bfloat16)
    return model, _BATCH
