"""Intervals and ranking measures as usually computed: a loop over scikit-learn, and trec_eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def auc_interval(
    score: Floats, truth: Floats, clusters: Ints, resamples: int, seed: int
) -> tuple[float, float, float]:
    """(AUC, low, high): a percentile cluster bootstrap, one call of scikit-learn a resample."""
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(seed)
    members = [np.flatnonzero(clusters == code) for code in np.unique(clusters)]
    draws = []
    for _ in range(resamples):
        chosen = random.integers(0, len(members), size=len(members))
        rows = np.concatenate([members[i] for i in chosen])
        draws.append(roc_auc_score(truth[rows], score[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(roc_auc_score(truth, score)), float(low), float(high)


def ndcg(
    rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, Sequence[str]], k: int
) -> list[float]:
    """nDCG at k of each query by trec_eval, which wants scores in place of ranks."""
    import pytrec_eval

    measure = f"ndcg_cut.{k}"
    judged = {query: dict.fromkeys(names, 1) for query, names in relevant.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {measure})
    runs = {
        query: {name: float(len(names) - rank) for rank, name in enumerate(names)}
        for query, names in rankings.items()
    }
    found = evaluator.evaluate(runs)
    return [float(found[query][f"ndcg_cut_{k}"]) for query in rankings]
