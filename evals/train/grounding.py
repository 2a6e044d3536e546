"""Trains the weights of `rag/grounding.json` on labelled claims, and measures them on others.

    python -m evals.train.grounding DATA_DIR [--write]

DATA_DIR holds `cases/grounding-*.jsonl.gz`. What ships is trained only on sets whose licence
allows it (TRAIN); the others are measured on, never trained on. Each training set's own figure
comes from weights trained without it.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from ingest.sentences import split_sentences
from ingest.types import Embedder
from rag.claims import is_claim
from rag.grounding import FEATURES, choose_evidence, features, probability

TRAIN = ("begin", "summedits", "wice")  # CC BY 4.0, Apache-2.0, ODC-BY
MEASURE = ("ragtruth-qa", "qags", "factscore")
ROUNDS = 4
THRESHOLD = 0.5


@dataclass(frozen=True)
class Case:
    """One answer: a feature row a claim, its label, and its set."""

    rows: tuple[dict[str, float], ...]
    hallucinated: bool
    source: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="write rag/grounding.json")
    parser.add_argument("--sample", type=int, default=500, help="cases a set at most")
    options = parser.parse_args()
    from rag.assemble import open_embedder

    embedder = open_embedder()
    sets = {}
    for name in (*TRAIN, *MEASURE):
        sets[name] = read_set(options.data, name, options.sample, embedder)
        print(f"{name}: {len(sets[name])} cases", flush=True)
    figures = {}
    for name in (*TRAIN, *MEASURE):
        others = [case for other in TRAIN if other != name for case in sets[other]]
        figures[name] = measure(sets[name], fit(others))
        print(name, figures[name], flush=True)
    weights = fit([case for name in TRAIN for case in sets[name]])
    print(json.dumps(weights, indent=1))
    if options.write:
        write(weights, figures, {name: len(sets[name]) for name in sets})


def read_set(data: Path, name: str, limit: int, embedder: Embedder) -> list[Case]:
    """Up to `limit` cases of a set, spread over it evenly."""
    path = data / "cases" / f"grounding-{name}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    rows = rows[:: max(1, len(rows) // limit)][:limit]
    cases = [make_case(row, name, embedder) for row in rows]
    return [case for case in cases if case.rows]


def make_case(row: dict[str, object], name: str, embedder: Embedder) -> Case:
    source, answer = str(row["source"]), str(row["answer"])
    units = [source[a:b] for a, b in split_sentences(source)]
    claims = [text for a, b in split_sentences(answer) if is_claim(text := answer[a:b])]
    question = str(row.get("question") or "")
    if not units or not claims:
        return Case((), bool(row["hallucinated"]), name)
    vectors = embedder.embed([*claims, *units])
    near = vectors[: len(claims)] @ vectors[len(claims) :].T
    rows = []
    for index, claim in enumerate(claims):
        similarity = near[index].tolist()
        chosen = choose_evidence(claim, units, similarity)
        rows.append(features(claim, units, similarity, chosen, question))
    return Case(tuple(rows), bool(row["hallucinated"]), name)


def fit(cases: Sequence[Case]) -> dict[str, float]:
    """Multiple-instance fit: of a hallucinated answer only its weakest claim counts as wrong."""
    weights = {"bias": -1.0, **dict.fromkeys(FEATURES, 0.0)}
    weights |= {"similarity": 1.0, "recall_best": 2.0, "missing_numbers": -2.0}
    for _ in range(ROUNDS):
        x, y, w = [], [], []
        for case in cases:
            picked = [min(case.rows, key=lambda row: probability(row, weights))]
            if not case.hallucinated:
                picked = list(case.rows)
            x += [[row[name] for name in FEATURES] for row in picked]
            y += [int(not case.hallucinated)] * len(picked)
            w += [set_weight(case, cases) / len(picked)] * len(picked)
        model = LogisticRegression(C=1.0, max_iter=1000).fit(np.array(x), y, sample_weight=w)
        weights = {"bias": float(model.intercept_[0])}
        weights |= dict(zip(FEATURES, map(float, model.coef_[0]), strict=True))
    return weights


def set_weight(case: Case, cases: Sequence[Case]) -> float:
    """Every set weighs the same, and within it both labels."""
    same = sum(
        1
        for other in cases
        if other.source == case.source and other.hallucinated == case.hallucinated
    )
    return 500.0 / same


def measure(cases: Sequence[Case], weights: dict[str, float]) -> dict[str, float]:
    """An answer is as supported as its weakest claim; thresholds at 0.5."""
    support = [min(probability(row, weights) for row in case.rows) for case in cases]
    truth = np.array([case.hallucinated for case in cases])
    risk = 1 - np.array(support)
    said = risk > 1 - THRESHOLD
    share = truth.mean()
    return {
        "n": len(cases),
        "auc": round(float(roc_auc_score(truth, risk)), 3),
        "balanced_accuracy": round(float(balanced_accuracy_score(truth, said)), 3),
        "f1": round(float(f1_score(truth, said)), 3),
        "f1_flag_all": round(float(2 * share / (1 + share)), 3),
    }


def write(
    weights: dict[str, float], figures: dict[str, dict[str, float]], counts: dict[str, int]
) -> None:
    card = {
        "what": "logistic regression over the features of rag/grounding.py",
        "trained_on": {name: counts[name] for name in TRAIN},
        "threshold": THRESHOLD,
        "left_out": {name: figures[name] for name in TRAIN},
        "measured_only": {name: figures[name] for name in MEASURE},
        "command": "python -m evals.train.grounding DATA_DIR --write",
    }
    path = Path(__file__).parents[2] / "rag" / "grounding.json"
    rounded = {name: round(value, 4) for name, value in weights.items()}
    path.write_text(json.dumps({"card": card, "weights": rounded}, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
