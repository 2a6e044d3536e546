"""Perplexity: how surprising is a text to the model? Natural logs, raw text, every token once.

Bits per byte compare models of different tokenizers; the others only models of the same one. A text
that could not be scored counts as if each of its bytes had been guessed blindly, at eight bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from evals.metrics import Metric, Table, exp_ratio, ratio, total
from evals.pins import code_hash, engine_pin, policy_hash
from evals.suites.base import Options, require_text, scored, unscored
from evals.types import Case, Outcome, Pins, Score
from rag.errors import EngineError
from rag.types import ScoresText

NATS_PER_BIT = math.log(2)
BLIND = 8 * NATS_PER_BIT


class PerplexitySubject:
    """An engine that scores texts, one at a time."""

    def __init__(self, engine: ScoresText) -> None:
        self._engine = engine

    def run(self, cases: Sequence[Case], cancel: Event) -> list[Outcome]:
        return [self._score(case, cancel) for case in cases if not cancel.is_set()]

    def _score(self, case: Case, cancel: Event) -> Outcome:
        began = time.perf_counter()
        found = self._engine.token_logprobs(case.row["text"], cancel=cancel)
        nll = round(math.fsum(-value for value in found.logprobs), 6)
        ms = (time.perf_counter() - began) * 1000
        return Outcome({"nll": nll, "tokens": found.tokens, "bytes": found.bytes}, ms)


class PerplexitySuite:
    """Field `text`. Its first token is not scored where the model puts nothing before a text."""

    name = "perplexity"
    fields = ("text",)
    batch = 1

    def check(self, row: Mapping[str, Any]) -> None:
        require_text(row, "text")

    def pins(self, options: Options) -> Pins:
        policy = policy_hash(options.config)
        return Pins(self.name, engine_pin(options.config), policy=policy, code=code_hash())

    def open(self, options: Options) -> PerplexitySubject:
        """The engine that the config names. Raises EngineError if it can't score texts."""
        from rag.assemble import open_engine

        return subject_for(open_engine(options.config))

    def score(self, case: Case, outcome: Outcome) -> Score:
        if outcome.reason:
            size = len(case.row["text"].encode("utf-8", "replace"))
            return unscored(case, outcome, _values(size * BLIND, size, size))
        data = outcome.data
        return scored(case, _values(data["nll"], data["tokens"], data["bytes"]))

    def metrics(self, table: Table) -> Sequence[Metric]:
        del table
        positive = (0.0, math.inf)
        return [
            ratio("nll_per_token", "nll", "tokens", "lower", headline=False, bounds=positive),
            exp_ratio("perplexity", "nll", "tokens"),
            ratio("bits_per_byte", "bits", "bytes", "lower", bounds=positive),
            total("tokens", "tokens"),
        ]


def subject_for(engine: object) -> PerplexitySubject:
    """The subject around an engine. Raises EngineError if it can't score texts."""
    if not isinstance(engine, ScoresText):
        name = str(getattr(engine, "name", type(engine).__name__))
        raise EngineError(name, "it does not give the log-probabilities of a text")
    return PerplexitySubject(engine)


def _values(nll: float, tokens: int, size: int) -> dict[str, float | None]:
    return {
        "nll": nll,
        "tokens": float(tokens),
        "bytes": float(size),
        "bits": nll / NATS_PER_BIT,
    }


SUITE = PerplexitySuite()
