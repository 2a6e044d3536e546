"""Trains `rag/abstain.json`: do the passages answer the question? On questions with and without an
answer, over a knowledge base of their paragraphs, with the default model.

    python -m evals.train.abstention CASES.jsonl.gz --kb DIR --rows ROWS.jsonl [--sample 120]
    python -m evals.train.abstention --fit ROWS.jsonl --model NAME [--write]

The first form appends a row for each question (it can be stopped and goes on); the second fits,
by cross-validation over articles, and writes the weights.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from rag.abstain import FEATURES
from rag.config import Config, GroundingConfig

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("--kb", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--sample", type=int, default=120)
    parser.add_argument("--fit", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.fit:
        fit(options.fit, options.model, options.write)
    else:
        collect(options.cases, options.kb, options.rows, options.sample, options.model)


def collect(cases: Path, kb: Path, rows: Path, sample: int, model: str) -> None:
    """Note what the gate goes by, without an answer being generated."""
    from rag.pipeline import Assistant

    config = Config(grounding=GroundingConfig(trust=1.0, near=0.0))
    assistant = Assistant.open(kb, model, config)
    done = {json.loads(line)["id"] for line in rows.open()} if rows.exists() else set()
    with rows.open("a", encoding="utf-8") as out:
        for case in spread(read(cases), sample):
            if case["id"] in done:
                continue
            answer = assistant.answer(case["query"])
            row = {
                "id": case["id"],
                "cluster": case.get("cluster", case["id"]),
                "answerable": bool(case["answers"]),
                "prompt": answer.tokens.prompt,
                "total_ms": answer.timings_ms["total"],
                **answer.signals,
            }
            out.write(json.dumps(row) + "\n")
            out.flush()


def read(path: Path) -> list[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def spread(cases: list[dict[str, Any]], sample: int) -> Iterator[dict[str, Any]]:
    """As many with an answer as without, spread over the file."""
    kinds = [[c for c in cases if c["answers"]], [c for c in cases if not c["answers"]]]
    half = sample // 2
    picked = [kind[:: max(1, len(kind) // half)][:half] for kind in kinds]
    for pair in zip(*picked, strict=False):
        yield from pair


def fit(path: Path, name: str, write: bool) -> None:
    """Weights for the model `name`, put beside those of the others."""
    rows = [json.loads(line) for line in path.open()]
    rows = [row for row in rows if "trust" in row]
    table = {name: fitted(rows)}
    print(json.dumps(table, indent=1))
    if write:
        target = Path(__file__).parents[2] / "rag" / "abstain.json"
        known = json.loads(target.read_text())
        target.write_text(json.dumps({**known, **table}, indent=1) + "\n")


def fitted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    x = np.array([[row[name] for name in FEATURES] for row in rows])
    y = np.array([int(row["answerable"]) for row in rows])
    clusters = [row["cluster"].split("#")[0] for row in rows]
    model = LogisticRegression(C=1.0, max_iter=1000)
    scores = cross_val_predict(
        model, x, y, groups=clusters, cv=GroupKFold(FOLDS), method="predict_proba"
    )[:, 1]
    model.fit(x, y)
    weights = {"bias": round(float(model.intercept_[0]), 4)}
    weights |= {n: round(float(w), 4) for n, w in zip(FEATURES, model.coef_[0], strict=True)}
    card = {
        "what": "logistic regression over the features of rag/abstain.py",
        "n": len(rows),
        "cross_validated_auc": round(float(roc_auc_score(y, scores)), 3),
        "alone": {n: round(float(roc_auc_score(y, x[:, i])), 3) for i, n in enumerate(FEATURES)},
        "operating_points": {str(t): operating_point(y, scores, t) for t in (0.3, 0.4, 0.5, 0.6)},
        "command": "python -m evals.train.abstention (see its docstring)",
    }
    return {"card": card, "weights": weights}


def operating_point(truth: Any, scores: Any, threshold: float) -> dict[str, float]:
    answered = scores >= threshold
    return {
        "tried_of_answerable": round(float(answered[truth == 1].mean()), 3),
        "abstained_of_unanswerable": round(float((~answered[truth == 0]).mean()), 3),
    }


if __name__ == "__main__":
    main()
