"""Trains the injection heads: python -m evals.train.injection DATA EMBEDDER_FOLDER CACHE

Two heads: one for what a person typed, one for sentences of documents, which has seen many more
honest imperatives and stays silent more often. Writes rag/safety/weights/injection.safetensors, its
figures (five folds, and every source left out in turn) and its curves.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score

from evals.train.fit import (
    Example,
    Fitted,
    Floats,
    Mask,
    benign_sentences,
    benign_threshold,
    embed_cached,
    features,
    fit_gate,
    fit_head,
    read_cases,
    sigmoid,
)
from evals.train.injection_report import curves, unseen
from evals.train.moderation_texts import PROSE
from evals.train.templates import Made, filled, joined, load_grammar, planted
from evals.train.tools import load_embedder, write_weights
from evals.train.unseen import Text, text_scores
from rag.safety.build import WEIGHTS
from rag.safety.heads import Heads
from rag.safety.injection import DOCUMENT
from rag.safety.injection_rules import RULES
from rag.safety.policy import INJECTION
from rag.safety.units import WINDOW, sentences, windows

LABELS = (INJECTION, DOCUMENT)
CASES = ("deepset", "piguard", "mix")
# Sources without a licence, or for measuring only, are left out.
ALLOWED = ("deepset", "piguard_valid", "wildguard_benign", "notinject", "squad-questions")
ALLOWED_ATTACKS = ("inthewild", "bipia")
QUESTIONS = ("qa-clapnq", "qa-mtrag", "rewrite-cast")
TYPED_RATE = 0.005
DOCUMENT_RATE = 0.0003
MAX_WINDOWS = 3
LONGEST_PLANTED = 350
MADE_WEIGHT = 0.5
JOINED = 900
LONGEST_CARRIER = 300


def examples(data: Path) -> Iterator[Example]:
    """Every training text whose licence lets weights ship; long ones by windows."""
    for row in _cases(data):
        if row["source"] in ALLOWED + ALLOWED_ATTACKS:
            yield from _windows(str(row["text"]), str(row["source"]), bool(row["injection"]))
    for name in ("xstest", "cyber-benign"):
        for row in read_cases(data / "cases" / f"refusal-{name}.jsonl.gz"):
            yield Example(str(row["text"]), f"refusal-{name}", {INJECTION: 0, DOCUMENT: 0}, 0.5)
    for sentence in benign_sentences(data, PROSE, 1500):
        yield Example(sentence, "prose", {INJECTION: 0, DOCUMENT: 0}, 0.5)


def made(found: Sequence[Example]) -> Iterator[Example]:
    """Attacks and honest texts of the grammar; carriers are honest texts of `found`."""
    usable = ("prose", "squad-questions", "wildguard_benign")
    carriers = [e.text for e in found if e.source in usable and len(e.text) < LONGEST_CARRIER]
    plain = filled(load_grammar())
    attacks = [item for item in plain if item.attack]
    yield from map(_made, plain)
    for seed, items in ((1, attacks), (2, attacks), (3, [i for i in plain if not i.attack])):
        yield from map(_made, planted(items, carriers, seed))
    yield from map(_made, joined(carriers, JOINED))


def measured(data: Path, first: int) -> tuple[list[Text], list[Example]]:
    """Typed texts to measure on, and their units: rows of the table from `first` on."""
    texts: list[Text] = []
    units: list[Example] = []
    for text, (source, attack) in _typed(data).items():
        found = [u.text for u in windows(text, sentences(text))] or [text]
        start = first + len(units)
        ruled = max((r.score for r in RULES for _ in r.find(text)), default=0.0)
        texts.append(Text(source, attack, range(start, start + len(found)), ruled))
        units += [Example(unit, source, cluster=text) for unit in found]
    return texts, units


def thresholds(texts: Sequence[Text], typed: Floats, items: list[Example], raw: Floats) -> Floats:
    """The scores that TYPED_RATE of honest texts and DOCUMENT_RATE of sentences reach, unseen.

    `typed` (n,) are the texts' scores, `raw` (m,) the document head's for the training texts.
    """
    honest = np.array([not t.attack and t.source != "benign-instructions" for t in texts])
    benign = np.array([e.labels[INJECTION] == 0 and not _is_made(e) for e in items])
    cut = (
        benign_threshold(typed[honest], TYPED_RATE),
        benign_threshold(raw[benign], DOCUMENT_RATE),
    )
    return np.maximum(cut, 0.5)


def report(items: list[Example], scores: Floats, cut: Floats) -> list[str]:
    """Cross-validated figures, one line each; a rule that matches counts as a score of 1."""
    source = np.array([e.source for e in items])
    attack = np.array([e.labels[INJECTION] == 1 for e in items])
    by_rule = np.array([ruled(e.text) for e in items])
    real = np.array([not _is_made(e) for e in items])
    best = np.maximum(scores[:, 0], by_rule)
    typed = real & (source != "prose")
    one_percent = benign_threshold(best[typed & ~attack], 0.01)
    caught = (best[typed & attack] >= one_percent).mean()
    lines = [
        f"typed texts by windows, five folds: AUC {roc_auc_score(attack[typed], best[typed]):.4f}, "
        f"recall at 1 % of benign {caught:.3f} (n={(typed & attack).sum()})"
    ]
    for name in sorted(set(source[real])):
        for kind, wanted in (("attacks", True), ("benign", False)):
            rows = (source == name) & (attack == wanted)
            if rows.any():
                said = ((scores[rows, 0] >= cut[0]) | by_rule[rows]).mean()
                document = ((scores[rows, 1] >= cut[1]) | by_rule[rows]).mean()
                lines.append(
                    f"flagged of {name} {kind}: typed {said:.2%}, document {document:.2%}, "
                    f"rules alone {by_rule[rows].mean():.2%} (n={rows.sum()})"
                )
    return lines


def ruled(text: str) -> bool:
    return any(True for rule in RULES for _ in rule.find(text))


def main(data: Path, embedder_folder: Path, cache: Path) -> None:
    if not (data / "cases").is_dir():
        sys.exit(f"the development data is not at {data}: nothing was trained")
    embedder = load_embedder(embedder_folder)
    items = _distinct(list(examples(data)))
    items = _distinct([*items, *made(items)])
    texts, units = measured(data, len(items))
    rows = [*items, *units]
    strings = [e.text for e in rows]
    table = features(strings, embed_cached(embedder, strings, cache))
    fitted = [fit_head(table, rows, label, embedder.dimension) for label in LABELS]
    typed = text_scores(texts, fitted[0].out_of_fold)
    scores = sigmoid(np.stack([f.out_of_fold[: len(items)] for f in fitted], axis=1))
    cut = thresholds(
        texts, text_scores(_unruled(texts), fitted[0].out_of_fold), items, scores[:, 1]
    )
    gate, gate_at, passed = _gate(table[: len(items)], items, scores >= cut)
    found = unseen(table, rows, texts, typed, INJECTION, embedder.dimension, float(cut[0]))
    lines = [*found.lines, *report(items, scores, cut), passed]
    write_weights("injection", _heads(fitted, cut, gate, gate_at, embedder.sha256), lines)
    _append("injection.figures.md", found.table)
    (WEIGHTS / "injection.curves.svg").write_text(curves(found), encoding="utf-8")


def _append(name: str, lines: Sequence[str]) -> None:
    with (WEIGHTS / name).open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


def _gate(table: sparse.csr_matrix, items: list[Example], over: Mask) -> tuple[Fitted, float, str]:
    """The gate, its threshold on out-of-fold scores, and how much prose it lets through."""
    attack = np.array([e.labels[INJECTION] == 1 for e in items])
    gate = fit_gate(table, attack, items)
    at = float(np.quantile(gate.out_of_fold[over.any(axis=1) & attack], 0.01))
    prose = np.array([e.source == "prose" for e in items])
    passed = (gate.out_of_fold[prose] >= at).mean()
    return gate, at, f"benign prose that the gate lets through to the heads: {passed:.1%}"


def _cases(data: Path) -> Iterator[dict[str, object]]:
    for name in CASES:
        yield from read_cases(data / "cases" / f"injection-{name}.jsonl.gz")


def _typed(data: Path) -> dict[str, tuple[str, bool]]:
    """Distinct typed texts with source and whether they attack."""
    found = [(str(r["text"]), str(r["source"]), bool(r["injection"])) for r in _cases(data)]
    for name in ("xstest", "cyber-benign"):
        for row in read_cases(data / "cases" / f"refusal-{name}.jsonl.gz"):
            if row["safe"]:
                found.append((str(row["text"]), f"refusal-{name}", False))
    for name in QUESTIONS:
        rows = read_cases(data / "cases" / f"{name}.jsonl.gz")
        found += [(str(row["query"]), name, False) for row in rows]
    return {text: (source, attack) for text, source, attack in reversed(found)}


def _unruled(texts: Sequence[Text]) -> list[Text]:
    return [Text(t.source, t.attack, t.rows, 0.0) for t in texts]


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


def _made(item: Made) -> Example:
    # Documents are read sentence by sentence: there, an attack never stands beside its carrier.
    labels = {INJECTION: int(item.attack)}
    if not (item.attack and item.planted):
        labels[DOCUMENT] = int(item.attack)
    return Example(item.text, f"made {item.family}", labels, MADE_WEIGHT)


def _is_made(example: Example) -> bool:
    return example.source.startswith("made ")


def _distinct(items: Sequence[Example]) -> list[Example]:
    return list({e.text: e for e in reversed(items)}.values())


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
