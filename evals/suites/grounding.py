"""Grounding: does the checker that guards the answers know a supported one from an invented one?

An answer is as well supported as its weakest claim. It is called hallucinated below the checker's
own threshold. An answer that claims nothing can't be hallucinated: its risk is 0. One with a claim
that the checker could not judge is unscored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from evals.metrics import (
    Metric,
    Table,
    auc,
    average_precision,
    balanced_accuracy,
    brier,
    ece,
    f1,
    f1_flag_all,
    f_beta,
    precision,
    recall,
)
from evals.pins import checker_pin, code_hash, embedder_pin, policy_hash
from evals.suites.base import (
    ABOVE,
    BELOW,
    Options,
    require_flag,
    require_spans,
    require_text,
    scored,
    unscored,
)
from evals.types import Case, Json, Outcome, Pins, Score, Subject
from ingest.embed import CachedEmbedder
from ingest.sentences import split_sentences
from ingest.types import Embedder
from rag.checkers.names import THRESHOLD
from rag.grounding import Checker, Evidence, Grounder, shipped_threshold

_TEXTS = 1 << 16


class CheckerSubject:
    """The checker that the config names, one case at a time."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        return [_outcome(self._checker, case, THRESHOLD) for case in cases if not cancel.is_set()]


class GroundingSubject:
    """The shipped checker. A batch's texts are embedded together, and forgotten after it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        began = time.perf_counter()
        embedder = CachedEmbedder(self._embedder, _TEXTS)
        embedder.embed([text for case in cases for text in _texts(case)])
        shared = (time.perf_counter() - began) * 1000 / max(1, len(cases))
        grounder = Grounder(embedder)
        line = shipped_threshold()
        return [_outcome(grounder, case, line, shared) for case in cases if not cancel.is_set()]


class GroundingSuite:
    """Fields `source`, `answer`, `hallucinated`; `question` and `spans` where there are any."""

    name = "grounding"
    fields = ("source", "answer", "question", "hallucinated", "spans")
    batch = 16

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "source", "answer")
        require_flag(row, "hallucinated")
        if row.get("question") is not None:
            require_text(row, "question")
        if row.get("spans") is not None:
            require_spans(row, "spans", row["answer"], labelled=False)

    def pins(self, options: Options) -> Pins:
        policy = policy_hash(options.config)
        models = f"{checker_pin(options.config)} {embedder_pin()}".strip()
        return Pins(self.name, models, policy=policy, code=code_hash())

    def open(self, options: Options) -> Subject:
        from rag.assemble import open_checker, open_embedder, open_plain_embedder

        if options.config.grounding.checker:
            return CheckerSubject(open_checker(options.config, open_embedder()))
        return GroundingSubject(open_plain_embedder())

    def score(self, case: Case, outcome: Outcome) -> Score:
        truth = float(case.row["hallucinated"])
        spans = case.row.get("spans")
        if outcome.reason:
            wrong = BELOW if truth else ABOVE
            said = () if spans else [(0, len(case.row["answer"]))]
            values = _values(wrong, truth, 1.0 - truth) | _span_values(spans, said)
            return unscored(case, outcome, values)
        sentences = outcome.data["sentences"]
        supports = [s["support"] for s in sentences if s["support"] is not None]
        risk = 1.0 - min(supports, default=1.0)
        line = outcome.data.get("threshold", shipped_threshold())
        bad = [s for s in sentences if s["support"] is not None and s["support"] < line]
        values = _values(risk, truth, float(bool(bad)))
        values |= {"support": min(supports, default=None)}
        values |= _span_values(spans, [(s["start"], s["end"]) for s in bad])
        return scored(case, values)

    def metrics(self, table: Table) -> Sequence[Metric]:
        found = [
            auc("auc", "risk", "truth"),
            average_precision("ap", "risk", "truth"),
            f1("f1", "said", "truth"),
            f1_flag_all("f1_flag_all", "truth"),
            precision("precision", "said", "truth"),
            recall("recall", "said", "truth"),
            balanced_accuracy("balanced_accuracy", "said", "truth"),
            ece("ece", "risk", "truth"),
            brier("brier", "risk", "truth"),
        ]
        columns = ("hits_predicted", "predicted", "hits_gold", "gold")
        del table
        return [*found, f_beta("span_f1", *columns, beta=1.0)]


def _outcome(checker: Checker, case: Case, threshold: float, shared_ms: float = 0.0) -> Outcome:
    began = time.perf_counter()
    source, answer = case.row["source"], case.row["answer"]
    evidence = [Evidence(0, a, b, source[a:b]) for a, b in split_sentences(source)]
    spans = split_sentences(answer)
    question = case.row.get("question") or ""
    found = checker.support([answer[a:b] for a, b in spans], evidence, question)
    ms = shared_ms + (time.perf_counter() - began) * 1000
    if failed := next((support.failed for support in found if support.failed), ""):
        return Outcome({}, ms, f"not judged: {failed}")
    sentences: list[Json] = [
        {
            "text": answer[a:b],
            "start": a,
            "end": b,
            "support": None if support.score is None else round(support.score, 6),
            "evidence": [evidence[index].text for index in support.evidence],
        }
        for (a, b), support in zip(spans, found, strict=True)
    ]
    return Outcome({"sentences": sentences, "threshold": threshold}, ms)


def _texts(case: Case) -> list[str]:
    source, answer = case.row["source"], case.row["answer"]
    return [text[a:b] for text in (source, answer) for a, b in split_sentences(text)]


def _values(risk: float, truth: float, said: float) -> dict[str, float | None]:
    return {"risk": risk, "truth": truth, "said": said}


def _span_values(
    gold: Sequence[Sequence[int]] | None, found: Sequence[tuple[int, int]]
) -> dict[str, float | None]:
    """Characters in spans: found, right, marked, met. Nothing where no one marked spans."""
    if gold is None:
        return {}
    marked = {place for start, end in gold for place in range(start, end)}
    said = {place for start, end in found for place in range(start, end)}
    both = float(len(marked & said))
    return {
        "predicted": float(len(said)),
        "hits_predicted": both,
        "gold": float(len(marked)),
        "hits_gold": both,
    }


SUITE = GroundingSuite()
