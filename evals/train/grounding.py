"""Trains the weights of `rag/grounding.json` on labelled claims, and measures them on others.

    python -m evals.train.grounding DATA_DIR --rows ROWS.jsonl [--write]

DATA_DIR holds `cases/grounding-*.jsonl.gz`; comparisons are kept in ROWS, so that it can be stopped
and goes on. What ships is trained only on sets whose licence allows it (TRAIN); the others are
measured on, never trained on. Each training set's own figure comes from weights trained without it.
What else was tried stands in `evals/train/grounding.md`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from evals.stats.weighted import ece
from evals.train.fit import read_cases
from ingest.sentences import split_sentences
from rag.claims import is_claim
from rag.grounding import FEATURES, Grounder, probability

TRAIN = ("begin", "summedits", "wice")  # CC BY 4.0, Apache-2.0, ODC-BY
MEASURE = ("ragtruth-qa", "qags", "factscore")
ROUNDS, FOLDS = 4, 5
THRESHOLD = 0.5
# Of features at unit variance. Twenty times as much moved no figure by more than .01.
STRENGTH = 0.05

Row = dict[str, float]
Weights = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One answer: a comparison a claim, its label, its source's cluster, and its set."""

    id: str
    source: str
    cluster: str
    hallucinated: bool
    rows: tuple[Row, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="write rag/grounding.json")
    parser.add_argument("--sample", type=int, default=600, help="cases a set at most")
    options = parser.parse_args()
    collect(options.data, options.rows, options.sample)
    sets = read_rows(options.rows)
    figures = {name: left_out(sets, name) for name in sets}
    for name, figure in figures.items():
        print(f"{name:12}", figure)
    cases = [case for name in TRAIN for case in sets[name]]
    weights, error = fit(cases), folds_ece(cases)
    print("calibration error over folds", error)
    if options.write:
        write(weights, figures, {name: len(sets[name]) for name in sets}, error)


def collect(data: Path, rows: Path, limit: int) -> None:
    """Append a line for each case that is not there yet."""
    from ingest.embed import CachedEmbedder
    from rag.assemble import open_plain_embedder

    known = {(row["source"], row["id"]) for row in map(json.loads, _lines(rows))}
    with rows.open("a", encoding="utf-8") as out:
        for name in (*TRAIN, *MEASURE):
            cases = spread(read_cases(data / "cases" / f"grounding-{name}.jsonl.gz"), limit)
            cases = [case for case in cases if (name, case["id"]) not in known]
            # Cases of one source stand together, so that its sentences are read once.
            for _, same in groupby(sorted(cases, key=_source), key=_source):
                embedder = CachedEmbedder(open_plain_embedder(), 1 << 16)
                grounder = Grounder(embedder)
                for case in same:
                    out.write(json.dumps(asdict(compared(case, name, grounder))) + "\n")
            print(f"{name}: {len(cases)} compared", flush=True)


def spread(cases: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` cases, at even distances."""
    step = max(1.0, len(cases) / limit)
    return [cases[int(i * step)] for i in range(min(limit, len(cases)))]


def compared(case: dict[str, Any], name: str, grounder: Grounder) -> Case:
    source, answer = str(case["source"]), str(case["answer"])
    units = [source[a:b] for a, b in split_sentences(source)]
    claims = [text for a, b in split_sentences(answer) if is_claim(text := answer[a:b])]
    found = grounder.compare(claims, units, str(case.get("question") or "")) if units else []
    rows = tuple({k: round(v, 5) for k, v in one.values.items()} for one in found)
    cluster = str(case.get("cluster", case["id"]))
    return Case(case["id"], name, cluster, bool(case["hallucinated"]), rows)


def read_rows(path: Path) -> dict[str, list[Case]]:
    """Cases with a claim, by set."""
    sets: dict[str, list[Case]] = {name: [] for name in (*TRAIN, *MEASURE)}
    for row in map(json.loads, _lines(path)):
        if row["rows"]:
            sets[row["source"]].append(Case(**{**row, "rows": tuple(row["rows"])}))
    return sets


def left_out(sets: dict[str, list[Case]], name: str) -> dict[str, float]:
    """What weights reach on a set that they were not trained on."""
    others = [case for other in TRAIN if other != name for case in sets[other]]
    return measure(sets[name], fit(others))


def fit(cases: Sequence[Case]) -> Weights:
    """Multiple-instance fit: of a hallucinated answer only its weakest claim counts as wrong."""
    weights = {"bias": -1.0, **dict.fromkeys(FEATURES, 0.0)}
    weights |= {"similarity": 1.0, "recall_best": 2.0, "missing_numbers": -2.0}
    size = Counter((case.source, case.hallucinated) for case in cases)
    for _ in range(ROUNDS):
        x, y, w = [], [], []
        for case in cases:
            picked = [weakest(case, weights)] if case.hallucinated else case.rows
            x += [[row[name] for name in FEATURES] for row in picked]
            y += [int(not case.hallucinated)] * len(picked)
            # Every set weighs the same, and within it both labels.
            w += [500.0 / size[case.source, case.hallucinated] / len(picked)] * len(picked)
        scaler = StandardScaler().fit(np.array(x))
        model = LogisticRegression(C=STRENGTH, max_iter=2000)
        model.fit(scaler.transform(np.array(x)), y, sample_weight=w)
        slopes = model.coef_[0] / scaler.scale_
        weights = {"bias": float(model.intercept_[0] - slopes @ scaler.mean_)}
        weights |= dict(zip(FEATURES, map(float, slopes), strict=True))
    return weights


def weakest(case: Case, weights: Weights) -> Row:
    return min(case.rows, key=lambda row: probability(row, weights))


def risks(cases: Iterable[Case], weights: Weights) -> list[float]:
    """An answer is as supported as its weakest claim."""
    weak = [weakest(case, weights) for case in cases]
    return [1.0 - probability(row, weights) for row in weak]


def measure(cases: Sequence[Case], weights: Weights) -> dict[str, float]:
    """At the threshold that ships."""
    risk = np.array(risks(cases, weights))
    truth = np.array([case.hallucinated for case in cases])
    said, share = risk > 1 - THRESHOLD, truth.mean()
    return {
        "n": len(cases),
        "auc": round(float(roc_auc_score(truth, risk)), 3),
        "balanced_accuracy": round(float(balanced_accuracy_score(truth, said)), 3),
        "f1": round(float(f1_score(truth, said)), 3),
        "f1_flag_all": round(float(2 * share / (1 + share)), 3),
    }


def folds_ece(cases: Sequence[Case]) -> float:
    """Of answers' risks by weights that saw no case of the same source, labels weighed evenly."""
    groups = [f"{case.source} {case.cluster}" for case in cases]
    risk = np.zeros(len(cases))
    for train, test in GroupKFold(FOLDS).split(groups, groups=groups):
        weights = fit([cases[i] for i in train])
        risk[test] = risks([cases[i] for i in test], weights)
    size = Counter((case.source, case.hallucinated) for case in cases)
    weight = np.array([1.0 / size[case.source, case.hallucinated] for case in cases])
    truth = np.array([float(case.hallucinated) for case in cases])
    return round(float(ece(risk, truth, weight[None, :])[0]), 4)


def write(weights: Weights, figures: Any, counts: dict[str, int], error: float) -> None:
    card = {
        "what": "logistic regression over the features of rag/grounding.py",
        "trained_on": {name: counts[name] for name in TRAIN},
        "threshold": THRESHOLD,
        "left_out": {name: figures[name] for name in TRAIN},
        "measured_only": {name: figures[name] for name in MEASURE},
        "calibration_error_over_folds": error,
        "command": "python -m evals.train.grounding DATA_DIR --rows ROWS --write",
    }
    path = Path(__file__).parents[2] / "rag" / "grounding.json"
    rounded = {name: round(value, 4) for name, value in weights.items()}
    path.write_text(json.dumps({"card": card, "weights": rounded}, indent=1) + "\n")
    print(f"wrote {path}")


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            yield from stream


def _source(case: dict[str, Any]) -> str:
    return str(case["source"])


if __name__ == "__main__":
    main()
