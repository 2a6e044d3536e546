"""Trains the injection heads: python -m evals.train.injection DATA EMBEDDER_FOLDER CACHE

Two heads: one for what a person typed, one for sentences of documents, which has seen many more
honest imperatives and stays silent more often. Writes rag/safety/weights/injection.safetensors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from evals.train.fit import (
    Example,
    Fitted,
    Floats,
    benign_sentences,
    benign_threshold,
    embed_cached,
    features,
    fit_gate,
    fit_head,
    read_cases,
    sigmoid,
)
from evals.train.moderation import PROSE
from evals.train.tools import load_embedder, write_weights
from rag.safety.heads import Heads
from rag.safety.injection import DOCUMENT
from rag.safety.injection_rules import RULES
from rag.safety.policy import INJECTION
from rag.safety.units import WINDOW, sentences, windows

LABELS = (INJECTION, DOCUMENT)
# Sources without a licence, or for measuring only, are left out.
ALLOWED = ("deepset", "piguard_valid", "wildguard_benign", "notinject", "squad-questions")
ALLOWED_ATTACKS = ("inthewild", "bipia")
TYPED_RATE = 0.005
DOCUMENT_RATE = 0.0003
MAX_WINDOWS = 3
LONGEST_PLANTED = 350


def examples(data: Path) -> Iterator[Example]:
    """Every training text whose licence lets weights ship; long ones by windows."""
    cases = data / "cases"
    for name in ("deepset", "piguard", "mix"):
        for row in read_cases(cases / f"injection-{name}.jsonl.gz"):
            if row["source"] in ALLOWED + ALLOWED_ATTACKS:
                yield from _windows(str(row["text"]), str(row["source"]), bool(row["injection"]))
    for name in ("xstest", "cyber-benign"):
        for row in read_cases(cases / f"refusal-{name}.jsonl.gz"):
            yield Example(str(row["text"]), f"refusal-{name}", {INJECTION: 0, DOCUMENT: 0}, 0.5)
    for sentence in benign_sentences(data, PROSE, 1500):
        yield Example(sentence, "prose", {INJECTION: 0, DOCUMENT: 0}, 0.5)


def _windows(text: str, source: str, attack: bool) -> Iterator[Example]:
    if len(text) <= WINDOW:
        yield Example(text, source, _labels(text, attack), 1.0, cluster=text)
        return
    longest = sorted(windows(text, sentences(text)), key=lambda unit: -len(unit.text))
    for unit in longest[:MAX_WINDOWS]:
        yield Example(unit.text, source, _labels(unit.text, attack), 1 / MAX_WINDOWS, cluster=text)


def _labels(text: str, attack: bool) -> dict[str, int]:
    # What is planted in a document is a sentence or two, never a page of role play.
    if len(text) > LONGEST_PLANTED:
        return {INJECTION: int(attack)}
    return {INJECTION: int(attack), DOCUMENT: int(attack)}


def ruled(text: str) -> bool:
    return any(True for rule in RULES for _ in rule.find(text))


def thresholds(items: list[Example], scores: Floats) -> Floats:
    """For each head the score that its rate of benign texts reaches, out of fold."""
    source = np.array([e.source for e in items])
    attack = np.array([e.labels[INJECTION] == 1 for e in items])
    typed = benign_threshold(scores[~attack & (source != "prose"), 0], TYPED_RATE)
    document = benign_threshold(scores[~attack, 1], DOCUMENT_RATE)
    return np.array([max(typed, 0.5), max(document, 0.5)])


def report(items: list[Example], scores: Floats, cut: Floats) -> list[str]:
    """Cross-validated figures, one line each; a rule that matches counts as a score of 1."""
    source = np.array([e.source for e in items])
    attack = np.array([e.labels[INJECTION] == 1 for e in items])
    by_rule = np.array([ruled(e.text) for e in items])
    best = np.maximum(scores[:, 0], by_rule)
    one_percent = benign_threshold(best[~attack & (source != "prose")], 0.01)
    lines = [
        f"typed texts: AUC {roc_auc_score(attack[source != 'prose'], best[source != 'prose']):.4f},"
        f" recall at 1 % of benign {(best[attack] >= one_percent).mean():.3f} (n={attack.sum()})"
    ]
    for name in sorted(set(source)):
        for kind, wanted in (("attacks", True), ("benign", False)):
            rows = (source == name) & (attack == wanted)
            if rows.any():
                typed = ((scores[rows, 0] >= cut[0]) | by_rule[rows]).mean()
                document = ((scores[rows, 1] >= cut[1]) | by_rule[rows]).mean()
                lines.append(
                    f"flagged of {name} {kind}: typed {typed:.2%}, document {document:.2%}, "
                    f"rules alone {by_rule[rows].mean():.2%} (n={rows.sum()})"
                )
    return lines


def main(data: Path, embedder_folder: Path, cache: Path) -> None:
    if not (data / "cases").is_dir():
        sys.exit(f"the development data is not at {data}: nothing was trained")
    embedder = load_embedder(embedder_folder)
    items = list({e.text: e for e in reversed(list(examples(data)))}.values())
    texts = [e.text for e in items]
    table = features(texts, embed_cached(embedder, texts, cache))
    fitted = [fit_head(table, items, label, embedder.dimension) for label in LABELS]
    scores = sigmoid(np.stack([f.out_of_fold for f in fitted], axis=1))
    cut = thresholds(items, scores)
    attack = np.array([e.labels[INJECTION] == 1 for e in items])
    gate = fit_gate(table, attack, items)
    matters = (scores >= cut).any(axis=1) & attack
    gate_at = float(np.quantile(gate.out_of_fold[matters], 0.01))
    lines = report(items, scores, cut)
    prose = np.array([e.source == "prose" for e in items])
    passed = (gate.out_of_fold[prose] >= gate_at).mean()
    lines.append(f"benign prose that the gate lets through to the heads: {passed:.1%}")
    write_weights("injection", _heads(fitted, cut, gate, gate_at, embedder.sha256), lines)


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
