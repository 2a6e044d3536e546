"""Trains the moderation heads: python -m evals.train.moderation DATA EMBEDDER_FOLDER CACHE

DATA is the development data (its licences: see the card that is written beside the weights).
Prints cross-validated figures, and writes rag/safety/weights/moderation.safetensors and .md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score

from evals.train.fit import (
    Example,
    Fitted,
    Floats,
    benign_sentences,
    benign_threshold,
    best_f1_threshold,
    embed_cached,
    features,
    fit_gate,
    fit_head,
    read_cases,
    sigmoid,
)
from evals.train.tools import load_embedder, write_weights
from rag.safety.heads import Heads
from rag.safety.moderation import ANY, combine

CATEGORIES = (
    "SEXUAL",
    "HATE",
    "VIOLENCE",
    "HARASSMENT",
    "SELF_HARM",
    "SEXUAL_MINORS",
    "HATE_THREATENING",
    "VIOLENCE_GRAPHIC",
)
ILLICIT = "ILLICIT"
LABELS = (*CATEGORIES, ILLICIT, ANY)
OTHERS = ("hatecheck", "davidson", "wikitox", "surge")
SAFE_TYPED = ("wildguard_benign", "notinject", "squad-questions", "deepset")
# Ordinary questions to documents; every other one is kept back to be measured on.
SAFE_QUESTIONS = ("qa-clapnq", "qa-mtrag", "rewrite-cast")
PROSE = ("squad", "python-devguide", "python-peps", "owasp-cheatsheets", "prometheus-docs")
BENIGN_RATE = 0.0005
# Only a question is blocked for it, and the benign set holds borderline questions.
ILLICIT_RATE = 0.002


def examples(data: Path) -> Iterator[Example]:
    """Every training text whose licence lets weights ship."""
    cases = data / "cases"
    for row in read_cases(cases / "moderation-openai.jsonl.gz"):
        yield _moderation(row, "openai", 1.0)
    for name in OTHERS:
        for row in read_cases(cases / f"moderation-{name}.jsonl.gz"):
            yield _moderation(row, name, 0.3)
    for name in ("xstest", "cyber-benign", "harmful", "donotanswer"):
        for row in read_cases(cases / f"refusal-{name}.jsonl.gz"):
            known = {ILLICIT: int(not row["safe"])}
            if row["safe"]:
                known.update(dict.fromkeys(LABELS, 0))
            yield Example(str(row["text"]), f"refusal-{name}", known, 0.5)
    for name in ("piguard", "mix", "deepset"):
        for row in read_cases(cases / f"injection-{name}.jsonl.gz"):
            if row["source"] in SAFE_TYPED and not row["injection"]:
                safe = dict.fromkeys(LABELS, 0)
                yield Example(str(row["text"]), "typed-benign", safe, 0.3)
    for name in SAFE_QUESTIONS:
        for row in list(read_cases(cases / f"{name}.jsonl.gz"))[::2]:
            yield Example(str(row["query"]), "typed-benign", dict.fromkeys(LABELS, 0), 0.3)
    for sentence in benign_sentences(data, PROSE, 1200):
        yield Example(sentence, "prose", dict.fromkeys(LABELS, 0), 0.3)


def _moderation(row: dict[str, object], source: str, weight: float) -> Example:
    labels = row["labels"]
    assert isinstance(labels, dict)
    known = {k.upper(): int(v) for k, v in labels.items() if v is not None and k != "any"}
    given = labels.get("any", row.get("any"))
    if given is not None:
        known[ANY] = int(given)
    return Example(str(row["text"]), source, known, weight, str(row.get("cluster", "")))


def thresholds(items: list[Example], scores: Floats) -> Floats:
    """For each head the higher of: best F1 on its reference set, the rate of benign texts."""
    source = np.array([e.source for e in items])
    benign = np.isin(source, ("prose", "typed-benign"))
    chosen = []
    for column, label in enumerate(LABELS):
        truth = np.array([e.labels.get(label, -1) for e in items])
        asked = (
            source == "openai"
            if label != ILLICIT
            else np.array([n.startswith("refusal") for n in source])
        )
        known = asked & (truth >= 0)
        best = best_f1_threshold(scores[known, column], truth[known])
        rate = ILLICIT_RATE if label == ILLICIT else BENIGN_RATE
        chosen.append(max(best, benign_threshold(scores[benign, column], rate)))
    return np.array(chosen)


def report(items: list[Example], scores: Floats, cut: Floats) -> list[str]:
    """Cross-validated figures, one line each."""
    source = np.array([e.source for e in items])
    lines = []
    for column, label in enumerate(LABELS):
        truth = np.array([e.labels.get(label, -1) for e in items])
        for name in sorted(set(source)):
            known = (source == name) & (truth >= 0)
            if 0 < truth[known].sum() < known.sum():
                s, t = scores[known, column], truth[known]
                f1 = f1_score(t, s >= cut[column])
                auprc = average_precision_score(t, s)
                lines.append(f"{label} on {name}: AUPRC {auprc:.3f}, F1 {f1:.3f} (n={len(t)})")
    flagged = np.any(scores >= cut, axis=1)
    for name in ("prose", "typed-benign", *sorted(n for n in set(source) if "refusal" in n)):
        share = flagged[source == name].mean()
        lines.append(f"flagged of {name}: {share:.2%} (n={(source == name).sum()})")
    return lines


def main(data: Path, embedder_folder: Path, cache: Path) -> None:
    if not (data / "cases").is_dir():
        sys.exit(f"the development data is not at {data}: nothing was trained")
    embedder = load_embedder(embedder_folder)
    items = list({e.text: e for e in reversed(list(examples(data)))}.values())
    texts = [e.text for e in items]
    table = features(texts, embed_cached(embedder, texts, cache))
    fitted = [fit_head(table, items, label, embedder.dimension) for label in LABELS]
    scores = combine(sigmoid(np.stack([f.out_of_fold for f in fitted], axis=1)), LABELS)
    cut = thresholds(items, scores)
    positive = np.array([max(e.labels.values(), default=0) == 1 for e in items])
    gate = fit_gate(table, positive, items)
    matters = (scores >= cut).any(axis=1) & positive
    gate_at = float(np.quantile(gate.out_of_fold[matters], 0.01))
    lines = report(items, scores, cut)
    benign = np.array([e.source == "prose" for e in items])
    passed = (gate.out_of_fold[benign] >= gate_at).mean()
    lines.append(f"benign prose that the gate lets through to the heads: {passed:.1%}")
    write_weights("moderation", _heads(fitted, cut, gate, gate_at, embedder.sha256), lines)


def _heads(fitted: list[Fitted], cut: Floats, gate: Fitted, gate_at: float, sha: str) -> Heads:
    return Heads(
        labels=LABELS,
        dense=np.stack([f.dense for f in fitted]).astype(np.float32),
        sparse=np.stack([f.sparse for f in fitted]).astype(np.float32),
        bias=np.array([f.bias for f in fitted], np.float32),
        thresholds=cut.astype(np.float32),
        gate=gate.sparse.astype(np.float32),
        gate_threshold=gate_at - gate.bias,
        embedder=sha,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
