"""The second stage: the best passages of the first one read again, each beside the question.

A cross-encoder reads both at once (Nogueira & Cho, "Passage Re-ranking with BERT", 2019). Late
interaction compares their tokens (Khattab & Zaharia, "ColBERT", SIGIR 2020), here by the states of
the embedder, which was not trained for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ingest.types import Vectors
from rag.errors import ConfigError

LATE = "late"
_BATCH = 16
_BATCH_GPU = 64


class Reranker(Protocol):
    """How well each passage answers the question: larger is better, of any scale."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]: ...


class States(Protocol):
    """Texts to unit vectors of their tokens, each of shape (tokens, dimension)."""

    def states(self, texts: Sequence[str]) -> list[Vectors]: ...


class LateInteraction:
    """The mean, over the question's tokens, of the cosine to the passage's nearest token.

    Safe to share by threads.
    """

    def __init__(self, encoder: States) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Cosines."""
        with self._lock:
            asked, *found = self._encoder.states([question, *passages])
        return [float((tokens @ asked.T).max(0).mean()) for tokens in found]


class CrossEncoderReranker:
    """A sentence-transformers `CrossEncoder` with one score a pair. Safe to share by threads."""

    def __init__(self, model: Any, batch: int) -> None:
        self._model = model
        self._batch = batch
        self._lock = threading.Lock()

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Logits."""
        import torch

        with self._lock:
            # A sigmoid would press the best scores into one another in half precision.
            found = self._model.predict(
                [(question, passage) for passage in passages],
                batch_size=self._batch,
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
            )
        return [float(score) for score in found]


def blended(first: Sequence[float], second: Sequence[float], weight: float) -> list[float]:
    """Scores of a first stage, `weight` of each given by a second one, on the first one's scale.

    The second's least and greatest come to the first's, so no passage falls below those that were
    not read again. Pure.
    """
    if not first:
        return []
    old, new = np.asarray(first, np.float64), np.asarray(second, np.float64)
    low, span = old.min(), old.max() - old.min()
    reach = new.max() - new.min()
    scaled = (new - new.min()) / reach if reach > 0 else np.ones_like(new)
    return [float(score) for score in (1 - weight) * old + weight * (low + span * scaled)]


def open_cross_encoder(name: str) -> CrossEncoderReranker:
    """A folder, or a hub model that was pulled before; float16 on a GPU.

    Raises ConfigError where there is none, or where it gives more than one score a pair.
    """
    import torch
    from sentence_transformers import CrossEncoder

    path = Path(name).expanduser()
    cuda = torch.cuda.is_available()
    kind = torch.float16 if cuda else torch.float32
    try:
        model = CrossEncoder(
            str(path) if path.is_dir() else name,
            device="cuda" if cuda else "cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": kind},
        )
    except (OSError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:200]
        raise ConfigError("retrieve.rerank", f"cannot load {name!r}: {line}") from error
    if model.num_labels != 1:
        problem = f"{name!r} gives {model.num_labels} scores a pair; one is needed"
        raise ConfigError("retrieve.rerank", problem)
    return CrossEncoderReranker(model, _BATCH_GPU if cuda else _BATCH)
