"""Fakes for tests of what runs suites: a suite without models, whose subject fails when told.

Cases are {"id", "value", "truth"}; the outcome is the value, the score whether it equals the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any

from evals.metrics import Metric, Table, mean, share
from evals.suites.base import Options, Suite, scored, unscored
from evals.types import Case, Outcome, Pins, Score

Hook = Callable[[Sequence[Case], Event], None]


class FakeSubject:
    """Gives back each case's value; `hook` sees every batch first, and may raise or wait."""

    def __init__(self, hook: Hook | None = None) -> None:
        self._hook = hook
        self.batches: list[tuple[str, ...]] = []

    @property
    def asked(self) -> list[str]:
        """Every case that it was given, in order."""
        return [name for batch in self.batches for name in batch]

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        self.batches.append(tuple(case.id for case in cases))
        if self._hook is not None:
            self._hook(cases, cancel)
        return [Outcome({"value": case.row["value"]}, 1.0) for case in cases]


class FakeSuite:
    """A suite over a FakeSubject; `model` stands for what is pinned."""

    name = "fake"
    fields = ("value", "truth")

    def __init__(
        self, subject: FakeSubject | None = None, batch: int = 4, model: str = "fake"
    ) -> None:
        self.subject = subject or FakeSubject()
        self.batch = batch
        self.opened = 0
        self._model = model

    def check(self, row: Mapping[str, Any]) -> None:
        if not isinstance(row.get("value"), int | float):
            raise ValueError("field 'value' is missing")

    def pins(self, options: Options) -> Pins:
        del options
        return Pins(self.name, self._model)

    def open(self, options: Options) -> FakeSubject:
        del options
        self.opened += 1
        return self.subject

    def score(self, case: Case, outcome: Outcome) -> Score:
        if outcome.reason:
            return unscored(case, outcome, {"right": 0.0, "value": 0.0})
        value = float(outcome.data["value"])
        return scored(case, {"right": float(value == case.row.get("truth")), "value": value})

    def metrics(self, table: Table) -> Sequence[Metric]:
        del table
        return [share("accuracy", "right"), mean("value", "value", bounds=None)]


class Played:
    """A real suite whose subject is played: `say` is what it does with a case."""

    def __init__(self, suite: Suite, say: Callable[[Case], Outcome], model: str = "played") -> None:
        self.name, self.fields, self.batch = suite.name, suite.fields, suite.batch
        self.check, self.score, self.metrics = suite.check, suite.score, suite.metrics
        self._say = say
        self._model = model

    def pins(self, options: Options) -> Pins:
        del options
        return Pins(self.name, self._model)

    def open(self, options: Options) -> Played:
        del options
        return self

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        del cancel
        return [self._say(case) for case in cases]


class Silent:
    """A watch that looks away."""

    def begin(self, total: int, suite: Suite) -> None:
        del total, suite

    def finished(self, scores: Sequence[Score]) -> None:
        del scores
