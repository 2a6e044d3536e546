"""Linear heads over a text's embedding and n-grams, kept in one safetensors file.

A cheap head over the n-grams alone stands before the others: a text that it finds harmless beyond
doubt is not embedded at all. Method: logistic regression (Cox 1958) on all-MiniLM-L6-v2 sentence
embeddings (Reimers and Gurevych 2019) beside hashed n-grams (Weinberger et al. 2009).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.types import Vectors
from rag.errors import FilterError
from rag.safety.features import BUCKETS, Grams, grams

_TENSORS = ("dense", "sparse", "bias", "thresholds", "gate")

Floats = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Heads:
    """C heads: `dense` (C, D), `sparse` (C, BUCKETS), `bias` (C,), `thresholds` (C,).

    D is `views` times the embedder's dimension: 1 for sentence vectors, VIEWS of
    ingest.encoders.layers where the heads read several layers. `gate` (BUCKETS,) and
    `gate_threshold` decide, before embedding, what cannot matter.
    """

    labels: tuple[str, ...]
    dense: Floats
    sparse: Floats
    bias: Floats
    thresholds: Floats
    gate: Floats
    gate_threshold: float
    embedder: str
    views: int = 1

    def score(self, texts: Sequence[str], embed: Embed, gated: bool = True) -> Floats:
        """Probabilities, shape (len(texts), C); 0 where the gate lets a text pass unseen."""
        seen = [grams(text) for text in texts]
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        picked = [i for i, g in enumerate(seen) if not gated or self._let_through(g)]
        if picked:
            vectors = embed([texts[i] for i in picked])
            sparse = np.stack([_sum(self.sparse, seen[i]) for i in picked])
            logits = vectors @ self.dense.T + sparse + self.bias
            scores[picked] = 1.0 / (1.0 + np.exp(-logits))
        return scores

    def worth_a_look(self, texts: Sequence[str]) -> list[str]:
        """The texts that the gate does not pass as harmless."""
        return [text for text in texts if self._let_through(grams(text))]

    def _let_through(self, seen: Grams) -> bool:
        total = float(self.gate[seen.buckets].sum()) * seen.weight
        return total >= self.gate_threshold


def load_heads(path: Path, filter_name: str, embedder_sha256: str, dimension: int) -> Heads:
    """The heads at `path`. Raises FilterError if they are damaged or made for another embedder."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {})["surefoot"])
            tensors = {key: file.get_tensor(key).astype(np.float32) for key in _TENSORS}
        heads = Heads(
            labels=tuple(metadata["labels"]),
            gate_threshold=float(metadata["gate_threshold"]),
            embedder=metadata["embedder_sha256"],
            views=int(metadata.get("views", 1)),
            **tensors,
        )
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        problem = f"weights {path.name} cannot be read ({type(error).__name__})"
        raise FilterError(filter_name, problem) from error
    _check(heads, filter_name, embedder_sha256, dimension)
    return heads


def save_heads(heads: Heads, path: Path) -> None:
    """Writes the heads as half-precision safetensors (thresholds and biases stay single)."""
    from safetensors.numpy import save_file

    metadata = {
        "labels": list(heads.labels),
        "gate_threshold": heads.gate_threshold,
        "embedder_sha256": heads.embedder,
        "views": heads.views,
    }
    tensors: dict[str, npt.NDArray[Any]] = {
        "dense": heads.dense.astype(np.float32),
        "sparse": heads.sparse.astype(np.float16),
        "bias": heads.bias.astype(np.float32),
        "thresholds": heads.thresholds.astype(np.float32),
        "gate": heads.gate.astype(np.float16),
    }
    save_file(tensors, path, metadata={"surefoot": json.dumps(metadata)})
    path.chmod(0o644)


def _check(heads: Heads, filter_name: str, embedder_sha256: str, dimension: int) -> None:
    count = len(heads.labels)
    shapes = (heads.dense.shape, heads.sparse.shape, heads.bias.shape, heads.gate.shape)
    if shapes != ((count, heads.views * dimension), (count, BUCKETS), (count,), (BUCKETS,)):
        raise FilterError(filter_name, f"weights do not fit the embedder's {dimension} dimensions")
    if heads.embedder != embedder_sha256:
        raise FilterError(
            filter_name,
            f"weights were trained on embedder {heads.embedder[:12]}, "
            f"this one is {embedder_sha256[:12]}",
        )


def _sum(sparse: Floats, seen: Grams) -> Floats:
    total: Floats = sparse[:, seen.buckets].sum(axis=1) * np.float32(seen.weight)
    return total
