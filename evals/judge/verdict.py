"""One judgement: an engine asked by a rubric, and the ledger that keeps what was judged."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Literal

from evals.journal import Journal, case_key, read_journal
from evals.judge.rubric import Rubric
from evals.rundir import sole_writer
from evals.types import Case, Json, Outcome, Pins
from rag.engines.lineage import Rewinds
from rag.errors import EngineError
from rag.prompt import beginning
from rag.types import Decoding, Engine, Message

Way = Literal["score", "text"]
REPLY_TOKENS = 12
_LEAD = (
    r"[\s\"'*_`(\[]*(?:(?:the\s+)?(?:answer|verdict|grade|choice)\s*(?:is)?\s*:?\s*)?[\s\"'*_`(\[]*"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's choice. `probability` is its share among the choices, None when read from a reply.

    Without a choice the case is unscored, and `reason` says why; `final` if asking again is idle.
    """

    choice: str
    probability: float | None = None
    reason: str = ""
    final: bool = True


class Judge:
    """An engine with a rubric. "score" reads the choices' probabilities; "text" parses a reply.

    Without a `way`, replies are parsed only where the engine can't score choices.

    The engine starts each judgement from the same cache where it can, so that a verdict does not
    depend on those before it.
    """

    def __init__(self, engine: Engine, rubric: Rubric, way: Way | None = None) -> None:
        self.engine = engine
        self.rubric = rubric
        self.way: Way = way or ("score" if callable(getattr(engine, "score", None)) else "text")

    @property
    def pins(self) -> Pins:
        """What a verdict depends on, beside the case and the answer."""
        name = f"judge-{self.rubric.name}"
        return Pins(name, self.engine.sha256, template=self.rubric.sha256, policy=self.way)

    def verdict(self, parts: Mapping[str, str]) -> Verdict:
        """The choice for these texts. Never raises for a text; an engine's failure is a reason."""
        if missing := self.rubric.missing(parts):
            return Verdict("", reason=f"the case has no {' and no '.join(missing)}")
        messages = self.rubric.messages(parts)
        room = self.engine.window - (REPLY_TOKENS if self.way == "text" else 1)
        try:
            tokens = self.engine.count_tokens(messages)
            if tokens > room:
                return Verdict("", reason=f"its {tokens} tokens do not fit in {room}")
            if isinstance(self.engine, Rewinds):
                self.engine.rewind(beginning(messages[0].content))
            return self._scored(messages) if self.way == "score" else self._read(messages)
        except EngineError as error:
            return Verdict("", reason=str(error), final=False)

    def _scored(self, messages: tuple[Message, ...]) -> Verdict:
        logprobs = self.engine.score(messages, self.rubric.choices)
        top = max(logprobs)
        if not math.isfinite(top):
            return Verdict("", reason="the judge gives no choice any probability")
        weights = [math.exp(value - top) for value in logprobs]
        best = max(range(len(weights)), key=weights.__getitem__)
        return Verdict(self.rubric.choices[best], round(weights[best] / sum(weights), 6))

    def _read(self, messages: tuple[Message, ...]) -> Verdict:
        decoding = Decoding(max_tokens=REPLY_TOKENS)
        tokens = self.engine.stream(messages, decoding, Event())
        reply = "".join(token.text for token in tokens)
        choice = parse(reply, self.rubric.choices)
        if choice is None:
            said = " ".join(reply.split())[:60]
            return Verdict("", reason=f"the judge's reply names no choice: {said!r}")
        return Verdict(choice)


def parse(reply: str, choices: tuple[str, ...]) -> str | None:
    """The choice that a reply begins with, as a word of its own; None if it begins otherwise."""
    for choice in sorted(choices, key=len, reverse=True):
        if re.match(f"{_LEAD}{re.escape(choice)}(?!\\w|[.,]\\d)", reply, re.IGNORECASE):
            return choice
    return None


class Ledger:
    """Verdicts on disk, by what they depend on: what was judged once is never judged again."""

    def __init__(self, path: Path, pins: Pins) -> None:
        self._path = path
        self._pins = pins
        self._known = {entry.key: entry.outcome for entry in read_journal(path)}
        self._journal = Journal(path)

    def find(self, case: Case) -> Outcome | None:
        return self._known.get(case_key(self._pins, case))

    def keep(self, case: Case, outcome: Outcome) -> None:
        self._journal.append(self._pins, [(case, outcome)])
        self._known[case_key(self._pins, case)] = outcome

    def close(self) -> None:
        self._journal.close()


@contextmanager
def open_ledger(folder: Path, judge: Judge) -> Iterator[Ledger]:
    """The ledger of a rubric in a run's folder, for one writer. Raises RunError."""
    with sole_writer(folder):
        ledger = Ledger(folder / f"judge-{judge.rubric.name}.jsonl", judge.pins)
        try:
            yield ledger
        finally:
            ledger.close()


def judged_case(case: Case, *outcomes: Json) -> Case:
    """The case as the ledger knows it: its content and what was said, by hash alone."""
    parts = json.dumps([case.sha256, *outcomes], sort_keys=True)
    digest = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Case(case.id, case.cluster, {}, digest)


def to_outcome(verdict: Verdict) -> Outcome:
    row = asdict(verdict)
    reason = row.pop("reason")
    return Outcome(
        {} if reason else {"choice": row["choice"], "p": row["probability"]}, 0.0, reason
    )


def from_outcome(outcome: Outcome) -> Verdict:
    return Verdict(outcome.data.get("choice", ""), outcome.data.get("p"), outcome.reason)
