"""How heads do on attacks of a source that they never saw: leave one source out, and report it.

A source's attacks and its benign texts leave the training together. Its attacks are then ranked
against all benign typed texts, each scored by a fit that had not seen it. A text scores as its
highest unit, or as the rule that matches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from evals.metrics import Metric, Table, auc, recall_at_fpr
from evals.stats.estimate import estimate
from evals.stats.intervals import proportion
from evals.train.fit import Example, Floats, fit_head, sigmoid
from evals.types import Estimate

FPR = 0.01
RESAMPLES = 500
_AUC, _RECALL = auc("auc", "score", "truth"), recall_at_fpr("recall", "score", "truth", FPR)


@dataclass(frozen=True, slots=True)
class Text:
    """A text to measure on. `rows` are its units in the table, `ruled` the surest rule's score."""

    source: str
    attack: bool
    rows: range
    ruled: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of a source's attacks (n,) and of the benign texts (m,)."""

    source: str
    attacks: Floats
    benign: Floats

    @property
    def auc(self) -> Estimate:
        return self._estimate(_AUC)

    @property
    def recall(self) -> Estimate:
        """Recall where at most FPR of the benign texts are flagged."""
        return self._estimate(_RECALL)

    @property
    def false_rates(self) -> Floats:
        """Of each attack (n,): the share of benign texts that score as high, ties one half."""
        order = np.sort(self.benign)
        below = np.searchsorted(order, self.attacks, "left")
        ties = np.searchsorted(order, self.attacks, "right") - below
        rates: Floats = 1.0 - (below + ties / 2) / len(order)
        return rates

    def _estimate(self, metric: Metric) -> Estimate:
        scores = np.concatenate([self.attacks, self.benign])
        truths = np.repeat([1.0, 0.0], [len(self.attacks), len(self.benign)])
        table = Table({"score": scores, "truth": truths}, np.arange(len(scores)))
        return estimate(metric, table, resamples=RESAMPLES)


def text_scores(texts: Sequence[Text], logits: Floats) -> Floats:
    """Each text's highest probability (n,), of logits by unit."""
    units = sigmoid(logits)
    return np.array([max(text.ruled, *units[text.rows]) for text in texts])


def left_out(
    table: sparse.csr_matrix,
    rows: Sequence[Example],
    texts: Sequence[Text],
    sources: frozenset[str],
    label: str,
    dimension: int,
) -> Floats:
    """Scores (n,) of the texts by heads that never saw these sources."""
    known = [replace(e, labels={}) if e.source in sources else e for e in rows]
    return text_scores(texts, fit_head(table, known, label, dimension).out_of_fold)


def ranked(texts: Sequence[Text], scores: Floats, source: str) -> Ranked:
    """A source's attacks among all benign texts."""
    attack = np.array([t.attack for t in texts])
    mine = np.array([t.source == source for t in texts])
    return Ranked(source, scores[attack & mine], scores[~attack])


def table_lines(seen: Sequence[Ranked], bare: Sequence[Ranked]) -> Iterator[str]:
    """A Markdown table: each source, their mean, and all attacks pooled; `bare` without kin."""
    yield "| source left out | attacks | AUC | recall at 1 % | AUC, no kin | recall, no kin |"
    yield "|---|---|---|---|---|---|"
    for one, other in zip(seen, bare, strict=True):
        cells = (one.auc, one.recall, other.auc, other.recall)
        yield f"| {one.source} | {len(one.attacks)} | {' | '.join(map(_cell, cells))} |"
    for name, figures in (("mean", _means), ("pooled", _pooled)):
        n = sum(len(one.attacks) for one in seen)
        yield f"| {name} | {n} | {' | '.join((*figures(seen), *figures(bare)))} |"


def pooled_recall(found: Sequence[Ranked], rates: Floats) -> NDArray[np.float64]:
    """The share of all attacks that are caught at each false positive rate (k,)."""
    reached = np.sort(np.concatenate([one.false_rates for one in found]))
    caught: NDArray[np.float64] = np.searchsorted(reached, rates, "right") / len(reached)
    return caught


def _means(found: Sequence[Ranked]) -> tuple[str, str]:
    values = [[one.auc.value or 0.0, one.recall.value or 0.0] for one in found]
    area, recall = np.mean(values, axis=0)
    return f"{area:.3f}", f"{recall:.3f}"


def _pooled(found: Sequence[Ranked]) -> tuple[str, str]:
    rates = np.concatenate([one.false_rates for one in found])
    caught = proportion(int((rates <= FPR).sum()), len(rates))
    return (
        f"{1 - rates.mean():.3f}",
        f"{(rates <= FPR).mean():.3f} [{caught.low:.3f}, {caught.high:.3f}]",
    )


def _cell(found: Estimate) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
