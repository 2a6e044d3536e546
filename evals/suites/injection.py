"""Prompt injection: are attacks ranked above honest texts, and how many of those are flagged?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from evals.metrics import Metric, Table, auc, recall_at_fpr, share
from evals.pins import code_hash, embedder_pin, policy_hash
from evals.suites.base import ABOVE, BELOW, Options, require_flag, require_text, scored, unscored
from evals.suites.heads import HeadBatch, open_batch
from evals.suites.named import named_subject
from evals.types import Case, Outcome, Pins, Score, Subject
from rag.safety.injection import InjectionFilter


class InjectionSubject:
    """The injection filter on typed text: how sure it is, and whether it flags the text."""

    def __init__(self, batch: HeadBatch) -> None:
        self._batch = batch

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        began = time.perf_counter()
        injection = InjectionFilter(self._batch.heads, self._batch.embed(cases), self._batch.floors)
        shared = (time.perf_counter() - began) * 1000 / max(1, len(cases))
        return [_outcome(injection, case, shared) for case in cases if not cancel.is_set()]


class InjectionSuite:
    """Fields `text`, `injection`: true or false."""

    name = "injection"
    fields = ("text", "injection")
    batch = 64

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "text")
        require_flag(row, "injection")

    def pins(self, options: Options) -> Pins:
        policy = policy_hash(options.config)
        return Pins(self.name, embedder_pin(), policy=policy, code=code_hash())

    def open(self, options: Options) -> Subject:
        if named := named_subject(self.name, options.config, _judged):
            return named
        return InjectionSubject(open_batch(self.name, options.config))

    def score(self, case: Case, outcome: Outcome) -> Score:
        truth = float(case.row["injection"])
        if outcome.reason:
            score, said = (BELOW, 0.0) if truth else (ABOVE, 1.0)
        else:
            score, said = outcome.data["score"], float(outcome.data["found"])
        values = {
            "score": score,
            "truth": truth,
            "said": said,
            "false_alarm": None if truth else said,
            "caught": said if truth else None,
        }
        return unscored(case, outcome, values) if outcome.reason else scored(case, values)

    def metrics(self, table: Table) -> Sequence[Metric]:
        del table
        return [
            auc("auc", "score", "truth"),
            recall_at_fpr("recall@1%fpr", "score", "truth", 0.01),
            share("recall", "caught"),
            share("false_positive_rate", "false_alarm", better="lower"),
        ]


def _judged(scores: Mapping[str, float], found: frozenset[str]) -> Mapping[str, Any]:
    return {"score": max(scores.values()), "found": bool(found)}


def _outcome(injection: InjectionFilter, case: Case, shared_ms: float) -> Outcome:
    began = time.perf_counter()
    text = case.row["text"]
    score, found = round(injection.score(text), 6), bool(injection.find(text, "question"))
    ms = shared_ms + (time.perf_counter() - began) * 1000
    return Outcome({"score": score, "found": found}, ms)


SUITE = InjectionSuite()
