"""Fits linear heads by cross-validation and chooses thresholds on out-of-fold scores only.

Needs scikit-learn (it comes with sentence-transformers). Not imported by anything that runs.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from ingest.types import Embedder, Vectors
from rag.safety.features import BUCKETS, grams

FOLDS = 5
DENSE_SCALE = 3.0
SPARSE_SCALE = 3.0

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Example:
    """A training text: `labels` holds what is known of it, `cluster` keeps kin in one fold."""

    text: str
    source: str
    labels: Mapping[str, int] = field(default_factory=dict)
    weight: float = 1.0
    cluster: str = ""

    @property
    def fold(self) -> int:
        return sha256((self.cluster or self.text).encode()).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class Fitted:
    """One head's weights, and its logit for every example from a fit that had not seen it."""

    dense: Floats
    sparse: Floats
    bias: float
    out_of_fold: Floats


def read_cases(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def embed_cached(embedder: Embedder, texts: Sequence[str], cache: Path) -> Vectors:
    """Embeddings of `texts`, kept in `cache` (an .npz of text hashes and vectors) between runs."""
    return rows_cached(embedder.embed, texts, cache)


def rows_cached(
    embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str], cache: Path
) -> Vectors:
    """What `embed` gives for each text, likewise."""
    keys = [sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]
    known: dict[str, Vectors] = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        known.update(zip(missing, embed(list(missing.values())), strict=True))
        np.savez(cache, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[key] for key in keys]).astype(np.float32)


def features(texts: Sequence[str], vectors: Vectors) -> sparse.csr_matrix:
    """Embedding and n-gram columns side by side, shape (n, dimension + BUCKETS)."""
    return sparse.hstack([sparse.csr_matrix(vectors * DENSE_SCALE), gram_columns(texts)]).tocsr()


def gram_columns(texts: Sequence[str]) -> sparse.csr_matrix:
    """N-gram columns, shape (n, BUCKETS)."""
    seen = [grams(text) for text in texts]
    ends = np.cumsum([0, *(len(g.buckets) for g in seen)])
    values = np.concatenate([np.full(len(g.buckets), g.weight) for g in seen])
    columns = np.concatenate([g.buckets for g in seen])
    grid = sparse.csr_matrix((values, columns, ends), shape=(len(texts), BUCKETS))
    return (grid * SPARSE_SCALE).tocsr()


def fit_head(
    table: sparse.csr_matrix, examples: Sequence[Example], label: str, dimension: int
) -> Fitted:
    """A head for `label` from the examples that know it; the others only get scores."""
    truth = np.array([example.labels.get(label, -1) for example in examples])
    folds = np.array([example.fold for example in examples])
    weight = np.array([example.weight for example in examples])
    scores = np.zeros(len(examples))
    for fold in range(FOLDS):
        train = np.flatnonzero((truth >= 0) & (folds != fold))
        held_out = np.flatnonzero(folds == fold)
        scores[held_out] = _fit(table, truth, weight, train).decision_function(table[held_out])
    model = _fit(table, truth, weight, np.flatnonzero(truth >= 0))
    weights = model.coef_[0]
    return Fitted(
        weights[:dimension] * DENSE_SCALE,
        weights[dimension:] * SPARSE_SCALE,
        float(model.intercept_[0]),
        scores,
    )


def fit_gate(table: sparse.csr_matrix, positive: Mask, examples: Sequence[Example]) -> Fitted:
    """The n-gram head that stands before the others: any label at all, against none."""
    marked = [
        Example(e.text, e.source, {"gate": int(p)}, e.weight, e.cluster)
        for e, p in zip(examples, positive, strict=True)
    ]
    return fit_head(table[:, -BUCKETS:].tocsr(), marked, "gate", 0)


def sigmoid(logits: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logits))


def best_f1_threshold(scores: Floats, truth: npt.NDArray[np.int_]) -> float:
    """The score from which F1 is highest."""
    order = np.argsort(-scores)
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    return float(scores[order][int(np.argmax(f1))])


def benign_threshold(scores: Floats, rate: float) -> float:
    """The lowest score that at most `rate` of these benign scores reach."""
    return float(np.nextafter(np.quantile(scores, 1 - rate, method="higher"), 2.0))


def benign_sentences(folder: Path, names: Sequence[str], limit: int) -> Iterator[str]:
    """Up to `limit` sentences a name, evenly spread: corpora (.jsonl.gz) or Markdown folders."""
    from rag.safety.units import sentences

    for name in names:
        found = [
            unit.text
            for text in _documents(folder, name)
            for start in range(0, len(text), 20_000)
            for unit in sentences(text[start : start + 20_000])
            if len(unit.text) >= 15
        ]
        yield from found[:: max(1, len(found) // limit)][:limit]


def _documents(folder: Path, name: str) -> Iterator[str]:
    corpus = folder / "corpora" / f"{name}.jsonl.gz"
    if corpus.exists():
        yield from (str(row["text"]) for row in read_cases(corpus))
        return
    for path in sorted((folder / "documents" / name).rglob("*")):
        if path.suffix in (".md", ".rst"):
            yield path.read_text(encoding="utf-8", errors="replace")


def _fit(
    table: sparse.csr_matrix,
    truth: npt.NDArray[np.int_],
    weight: Floats,
    rows: npt.NDArray[np.intp],
) -> LogisticRegression:
    model = LogisticRegression(C=1.0, class_weight="balanced", solver="liblinear", max_iter=300)
    return model.fit(table[rows], truth[rows], sample_weight=weight[rows])
