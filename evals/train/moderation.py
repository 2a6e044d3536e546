"""Trains the moderation heads: python -m evals.train.moderation DATA EMBEDDER_FOLDER CACHE

DATA is the development data (its licences: see the card that is written beside the weights), CACHE
an .npz for what the encoder says of each text. Prints figures by five folds and by leaving sources
out, and writes rag/safety/weights/moderation.safetensors, .figures.md and .curves.svg.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evals.train.fit import (
    FOLDS,
    SPARSE_SCALE,
    Example,
    Floats,
    Mask,
    best_f1_threshold,
    gram_columns,
    rows_cached,
    sigmoid,
)
from evals.train.logistic import Columns, Linear, fit_linear
from evals.train.moderation_report import Scored, curves, report
from evals.train.moderation_texts import LABELS, examples
from evals.train.tools import load_embedder, write_weights
from ingest.encoders.layers import VIEWS
from rag.safety.build import WEIGHTS
from rag.safety.heads import Heads
from rag.safety.moderation import combine
from rag.safety.policy import ILLICIT

# The root mean square of all dense columns of a text together, against 3 of its n-grams.
DENSE_SCALE = 4.0
# Of texts without harm, this share may be flagged by one head.
BENIGN_RATE = 0.0005
# Only a question is blocked as ILLICIT: of harmless look-alikes, and of ordinary typed texts.
LOOKALIKE_RATE = 0.04
TYPED_RATE = 0.012
GATE_MISSES = 0.01
UNSEEN = ("refusal-xstest", "refusal-harmful", "refusal-donotanswer", "lookalikes")


@dataclass(frozen=True, slots=True)
class Scale:
    """Makes views comparable: each is centred and of one length on average. Folds into a head."""

    centre: Floats
    factor: Floats

    def __call__(self, rows: Floats) -> Floats:
        scaled: Floats = ((rows - self.centre) * self.factor).astype(np.float32)
        return scaled

    def folded(self, head: Linear) -> tuple[Floats, float]:
        """Weights and bias for rows that were not scaled."""
        weights = head.dense * self.factor
        return weights, head.bias - float(self.centre @ weights)


def scale_of(rows: Floats) -> Scale:
    """From what is seen of all texts, shape (n, VIEWS * dimension)."""
    centre = rows.mean(0)
    spread = ((rows - centre) ** 2).mean(0).reshape(VIEWS, -1).sum(1)
    factor = DENSE_SCALE / np.sqrt(VIEWS * spread)
    return Scale(centre, np.repeat(factor, rows.shape[1] // VIEWS).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Task:
    """The texts, and all that is seen of them."""

    items: list[Example]
    columns: Columns

    def truth(self, label: str) -> Floats:
        """1, 0, or -1 where it isn't known, shape (n,)."""
        return np.array([e.labels.get(label, -1) for e in self.items])

    def fit(self, label: str, rows: Mask) -> Linear:
        """A head from those of `rows` (n,), a mask, that know the label."""
        truth = self.truth(label)
        known = np.flatnonzero(rows & (truth >= 0))
        weight = np.array([self.items[i].weight for i in known])
        return fit_linear(self.columns.take(known), truth[known] == 1, weight)

    def out_of_fold(self, label: str) -> Floats:
        """Logits (n,), each by a fit that had not seen the text's fold."""
        folds = np.array([e.fold for e in self.items])
        found = np.zeros(len(self.items))
        for fold in range(FOLDS):
            held_out = np.flatnonzero(folds == fold)
            found[held_out] = self.fit(label, folds != fold).logits(self.columns.take(held_out))
        return found

    def unseen(self, label: str, source: str) -> Floats:
        """Logits of the texts of `source`, by a fit without any of them."""
        mine = np.array([e.source == source for e in self.items])
        return self.fit(label, ~mine).logits(self.columns.take(np.flatnonzero(mine)))


def thresholds(items: Sequence[Example], scores: Floats) -> Floats:
    """For each head the higher of: best F1 where it is defined, what few harmless texts reach."""
    source = np.array([e.source for e in items])
    chosen = [
        _illicit(source, items, scores[:, column])
        if label == ILLICIT
        else _harm(source, items, scores[:, column], label)
        for column, label in enumerate(LABELS)
    ]
    return np.array(chosen)


def _harm(
    source: npt.NDArray[np.str_], items: Sequence[Example], scores: Floats, label: str
) -> float:
    truth = np.array([e.labels.get(label, -1) for e in items])
    known = (source == "openai") & (truth >= 0)
    benign = np.isin(source, ("prose", "typed-benign", "questions"))
    best = best_f1_threshold(scores[known], truth[known])
    return max(best, reached_by(scores[benign], BENIGN_RATE))


def _illicit(source: npt.NDArray[np.str_], items: Sequence[Example], scores: Floats) -> float:
    safe = np.array([e.labels.get(ILLICIT) == 0 for e in items])
    lookalike = scores[safe & (source == "refusal-xstest")]
    typed = scores[np.isin(source, ("typed-benign", "questions", "refusal-cyber-benign"))]
    return max(reached_by(lookalike, LOOKALIKE_RATE), reached_by(typed, TYPED_RATE))


def reached_by(scores: Floats, rate: float) -> float:
    """The lowest score that at most `rate` of these reach."""
    return float(np.nextafter(np.quantile(scores, 1 - rate, method="higher"), 2.0))


def nested(items: Sequence[Example], scores: Floats) -> Mask:
    """What is flagged (n, C), each fold at thresholds chosen on the other folds."""
    folds = np.array([e.fold for e in items])
    flagged: Mask = np.zeros(scores.shape, np.bool_)
    for fold in range(FOLDS):
        others = np.flatnonzero(folds != fold)
        cut = thresholds([items[int(i)] for i in others], scores[others])
        flagged[folds == fold] = scores[folds == fold] >= cut
    return flagged


def main(data: Path, embedder_folder: Path, cache: Path) -> None:
    if not (data / "cases").is_dir():
        sys.exit(f"the development data is not at {data}: nothing was trained")
    embedder = load_embedder(embedder_folder)
    items = examples(data)
    texts = [e.text for e in items]
    rows = rows_cached(embedder.layers, texts, cache)
    scale = scale_of(rows)
    task = Task(items, Columns(scale(rows), gram_columns(texts)))
    logits = np.stack([task.out_of_fold(label) for label in LABELS], axis=1)
    scores = combine(sigmoid(logits), LABELS)
    cut = thresholds(items, scores)
    gate, gate_at = _gate(task, scores, cut)
    unseen = {name: sigmoid(task.unseen(ILLICIT, name)) for name in UNSEEN}
    found = Scored(items, scores, nested(items, scores), cut, unseen)
    heads = _heads(task, scale, cut, gate, gate_at, embedder.sha256)
    write_weights("moderation", heads, report(found))
    (WEIGHTS / "moderation.curves.svg").write_text(curves(found), encoding="utf-8")


def _gate(task: Task, scores: Floats, cut: Floats) -> tuple[Linear, float]:
    """The n-gram head that stands before the others, and the logit from which it lets through.

    No question passes it, so it need not know what is wrong to ask for.
    """
    harms = [column for column, label in enumerate(LABELS) if label != ILLICIT]
    marked = [
        Example(e.text, e.source, _harmful(e.labels), e.weight, e.cluster) for e in task.items
    ]
    bare = Columns(np.zeros((len(marked), 0), np.float32), task.columns.grid)
    alone = Task(marked, bare)
    matters = (scores >= cut)[:, harms].any(axis=1) & (alone.truth("gate") == 1)
    head = alone.fit("gate", np.ones(len(marked), bool))
    at = float(np.quantile(alone.out_of_fold("gate")[matters], GATE_MISSES))
    return head, at - head.bias


def _harmful(labels: Mapping[str, int]) -> dict[str, int]:
    """Whether a text is of any category but ILLICIT, as far as that is known."""
    harms = [value for label, value in labels.items() if label != ILLICIT]
    return {"gate": max(harms)} if harms else {}


def _heads(task: Task, scale: Scale, cut: Floats, gate: Linear, gate_at: float, sha: str) -> Heads:
    """The heads from all texts, for rows as the encoder gives them."""
    fitted = [task.fit(label, np.ones(len(task.items), bool)) for label in LABELS]
    folded = [scale.folded(head) for head in fitted]
    return Heads(
        labels=LABELS,
        dense=np.stack([weights for weights, _ in folded]).astype(np.float32),
        sparse=np.stack([head.grid for head in fitted]) * SPARSE_SCALE,
        bias=np.array([bias for _, bias in folded], np.float32),
        thresholds=cut.astype(np.float32),
        gate=gate.grid * SPARSE_SCALE,
        gate_threshold=gate_at,
        embedder=sha,
        views=VIEWS,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
