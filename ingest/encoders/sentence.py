"""A sentence-transformers model: on a GPU, and on a CPU where no graph can be made of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.encoders.arithmetic import Arithmetic, fastest
from ingest.types import Vectors

_BATCH = 32
_BATCH_GPU = 256


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
        vectors = np.asarray(found, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def open_sentence(folder: Path) -> SentenceEncoder:
    """float16 on a GPU; on a CPU bfloat16 where it multiplies that. Raises OSError, ValueError."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = SentenceTransformer(str(folder), device=device, local_files_only=True)
    if device == "cuda":
        return SentenceEncoder(model.half(), _BATCH_GPU)
    if fastest(allowed_int8=False) is Arithmetic.bfloat16:
        model = model.to(torch.bfloat16)
    return SentenceEncoder(model, _BATCH)
