"""Personal data: is every span found, whatever it is called?

A marked span is hit if any finding overlaps it, whatever its label; a finding is right if it
overlaps any marked span. All findings count, names, places, organisations and dates too, since
the case files mark them. (The measure of presidio-research, without its label mapping.) A failed
case found nothing that is marked; where nothing is, it counts as a false alarm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any

from evals.metrics import Metric, Table, f_beta, ratio
from evals.pins import code_hash, ner_pin, policy_hash
from evals.suites.base import Options, require_spans, require_text, scored, unscored
from evals.types import Case, Outcome, Pins, Score

if TYPE_CHECKING:
    from rag.safety.pii import PiiFilter

HIT, GOLD = "/hit", "/gold"


class PiiSubject:
    """The personal-data filter with its model for names, as `surefoot guard` runs it."""

    def __init__(self, pii: PiiFilter) -> None:
        self._pii = pii

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        outcomes = []
        if not cancel.is_set():
            self._pii.warm([case.row["text"] for case in cases], "answer")
        for case in cases:
            began = time.perf_counter()
            found = self._pii.find(case.row["text"], "answer") if not cancel.is_set() else []
            spans = [[f.start, f.end, f.label, round(f.score, 4)] for f in found]
            outcomes.append(Outcome({"findings": spans}, (time.perf_counter() - began) * 1000))
        return outcomes


class PiiSuite:
    """Fields `text`, `spans`: [[start, end, label]]."""

    name = "pii"
    fields = ("text", "spans")
    batch = 64

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "text")
        require_spans(row, "spans", row["text"], labelled=True)

    def pins(self, options: Options) -> Pins:
        return Pins(self.name, ner_pin(), policy=policy_hash(options.config), code=code_hash())

    def open(self, options: Options) -> PiiSubject:
        from rag.safety.build import build_pii
        from rag.safety.policy import DEFAULT

        return PiiSubject(build_pii(options.config.guard.ner, DEFAULT, report_names=True))

    def score(self, case: Case, outcome: Outcome) -> Score:
        gold = [(start, end, label) for start, end, label in case.row["spans"]]
        if outcome.reason:
            return unscored(case, outcome, _values(gold, [] if gold else [(0, 0)]))
        return scored(case, _values(gold, [(f[0], f[1]) for f in outcome.data["findings"]]))

    def metrics(self, table: Table) -> Sequence[Metric]:
        labels = sorted(
            c.removesuffix(GOLD) for c in table.columns if c.endswith(GOLD) and c != GOLD
        )
        return [
            f_beta("f2", "hits_predicted", "predicted", "hits_gold", "gold", beta=2.0),
            ratio("precision", "hits_predicted", "predicted"),
            ratio("recall", "hits_gold", "gold"),
            *(
                ratio(f"{label}/recall", f"{label}{HIT}", f"{label}{GOLD}", headline=False)
                for label in labels
            ),
        ]


def _values(
    gold: Sequence[tuple[int, int, str]], found: Sequence[tuple[int, int]]
) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        "predicted": len(found),
        "hits_predicted": sum(any(_overlap(f, g) for g in gold) for f in found),
        "gold": len(gold),
        "hits_gold": 0.0,
    }
    for span in gold:
        hit = float(any(_overlap(f, span) for f in found))
        for name, add in (
            ("hits_gold", hit),
            (f"{span[2]}{HIT}", hit),
            (f"{span[2]}{GOLD}", float(span[2] != "")),
        ):
            values[name] = (values.get(name) or 0.0) + add
    return values


def _overlap(found: tuple[int, int], gold: tuple[int, int, str]) -> bool:
    return found[0] < gold[1] and gold[0] < found[1]


SUITE = PiiSuite()
