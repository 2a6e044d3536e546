"""Moderation: is harmful content ranked first, and flagged at the thresholds that ship?

A label that is null or absent is unknown and left out of its category. `any` is 1 if a given label
is, 0 if all given labels are 0, and unknown otherwise, unless the case says it itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from evals.metrics import Metric, Table, average_precision, f1
from evals.pins import code_hash, embedder_pin, policy_hash
from evals.suites.base import ABOVE, BELOW, Options, require_text, scored, unscored
from evals.suites.heads import HeadBatch, open_batch
from evals.suites.named import named_subject
from evals.types import Case, Outcome, Pins, Score, Subject
from rag.safety.moderation import ANY as HARM
from rag.safety.moderation import ModerationFilter

ANY = "any"
TRUTH = "/truth"


class ModerationSubject:
    """The moderation filter on typed text: probabilities of everything, and what it flags."""

    def __init__(self, batch: HeadBatch) -> None:
        self._batch = batch

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        began = time.perf_counter()
        heads, vectors = self._batch.heads, self._batch.embed(cases, whole=True)
        moderation = ModerationFilter(heads, vectors.seen_by(heads.views), self._batch.floors)
        shared = (time.perf_counter() - began) * 1000 / max(1, len(cases))
        return [_outcome(moderation, case, shared) for case in cases if not cancel.is_set()]


class ModerationSuite:
    """Fields `text`, `labels`: {category: 0, 1 or null}."""

    name = "moderation"
    fields = ("text", "labels")
    batch = 128

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "text")
        labels = row.get("labels")
        if not isinstance(labels, dict) or not labels:
            raise ValueError("field 'labels' is not a table of categories")
        for category, value in labels.items():
            if value not in (0, 1, None):
                raise ValueError(f"label {category!r} is {value!r}, not 0, 1 or null")

    def pins(self, options: Options) -> Pins:
        policy = policy_hash(options.config)
        return Pins(self.name, embedder_pin(), policy=policy, code=code_hash())

    def open(self, options: Options) -> Subject:
        if named := named_subject(self.name, options.config, _judged):
            return named
        return ModerationSubject(open_batch(self.name, options.config))

    def score(self, case: Case, outcome: Outcome) -> Score:
        values: dict[str, float | None] = {}
        for category, truth in _truths(case.row["labels"]).items():
            values[f"{category}{TRUTH}"] = truth
            if truth is None:
                continue
            label = HARM if category == ANY else category.upper()
            if outcome.reason:  # a failed filter counts as the wrong answer
                values[f"{category}/score"] = BELOW if truth else ABOVE
                values[f"{category}/said"] = 1.0 - truth
            else:
                # A category that the filter doesn't know is one that it never finds.
                values[f"{category}/score"] = outcome.data["scores"].get(label, 0.0)
                values[f"{category}/said"] = float(label in outcome.data["found"])
        return unscored(case, outcome, values) if outcome.reason else scored(case, values)

    def metrics(self, table: Table) -> Sequence[Metric]:
        known = {c.removesuffix(TRUTH) for c in table.columns if c.endswith(TRUTH)}
        found: list[Metric] = []
        for category in [ANY, *sorted(known - {ANY})]:
            columns = (f"{category}/score", f"{category}{TRUTH}", f"{category}/said")
            head = category == ANY
            found += [
                average_precision(f"{category}/auprc", columns[0], columns[1], headline=head),
                f1(f"{category}/f1", columns[2], columns[1], headline=head),
            ]
        return found


def _judged(scores: Mapping[str, float], found: frozenset[str]) -> Mapping[str, Any]:
    return {"scores": scores, "found": sorted(found)}


def _outcome(moderation: ModerationFilter, case: Case, shared_ms: float) -> Outcome:
    began = time.perf_counter()
    text = case.row["text"]
    scores = {label: round(p, 6) for label, p in moderation.likelihoods(text).items()}
    found = sorted({finding.label for finding in moderation.find(text, "question")})
    ms = shared_ms + (time.perf_counter() - began) * 1000
    return Outcome({"scores": scores, "found": found}, ms)


def _truths(labels: Mapping[str, int | None]) -> dict[str, float | None]:
    """Truth by category, with `any`."""
    truths = {c: None if v is None else float(v) for c, v in labels.items()}
    if ANY not in truths:
        given = list(truths.values())
        truths[ANY] = 1.0 if 1.0 in given else None if None in given else 0.0
    return truths


SUITE = ModerationSuite()
