"""An answer in the making: what was found, counted, timed and shown, and how it ends.

Each released segment is shown, held or withheld: a claim needs its support, framing waits for a
claim to frame, and an admission of not knowing ends the answer. With the policy "strict" nothing is
shown before all claims have passed; if one fails there may be a second attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rag.abstain import answerability, shipped_weights, trust
from rag.attempt import Attempt
from rag.citing import cite, evidence_of, heads, texts_of, veiled
from rag.claims import is_claim, is_refusal
from rag.confidence import shown_tokens
from rag.config import GroundingConfig
from rag.engines.counting import counts_exactly
from rag.engines.lineage import Start, start_of
from rag.facts.unfounded import Known
from rag.followup import FollowUp
from rag.gate import ending, passes
from rag.grounding import Checker
from rag.hearing import Heard
from rag.prompt import Packed, Unit
from rag.reading import Reading
from rag.refusal import apology
from rag.safety.notices import notice
from rag.trace import Again, Asked, Made, Tracer
from rag.types import (
    Answer,
    AnswerEvent,
    AnswerStatus,
    Decision,
    Engine,
    Finding,
    ModelRef,
    Passage,
    Released,
    Sentence,
    Shown,
    StageDone,
    Token,
    TokenUse,
    Verdict,
)

STOPPED = "stopped by the reader"


class Draft:
    """Collects one answer. Its methods are called in the order of the pipeline."""

    def __init__(
        self,
        asked: Asked,
        engine: Engine,
        grounder: Checker,
        config: GroundingConfig,
        tracer: Tracer,
    ) -> None:
        self._began = time.perf_counter()
        self._asked = asked
        self._question = asked.question
        self._engine = engine
        self._grounder = grounder
        self._config = config
        self._tracer = tracer
        self._timings: dict[str, float] = {}
        self._findings: list[Finding] = []
        self._passages: tuple[Passage, ...] = ()
        self._reading: Reading | None = None
        self._first = Attempt()
        self._second: Attempt | None = None
        self._known: Known | None = None
        self._sentences: list[Sentence] = []
        self._withheld = 0
        self._signals: dict[str, float] = {}
        self._check: Start | None = None
        self._query = asked.question
        self._searched = ""
        self._hide: Callable[[str], str] = str
        self._where = " and ".join(asked.where)
        self._blocked_by: Verdict | None = None
        self._names: Sequence[str] = ()

    @property
    def decided(self) -> bool:
        """True when what the model says next can't matter: it does not know, or a claim failed."""
        return self._attempt.ended

    @property
    def supported(self) -> list[str] | None:
        """The claims that passed, where the answer is to be made once more; else None."""
        if self._second is not None or self._blocked_by is not None or not self._first.failed:
            return None
        said = (shown.sentence for shown in self._first.held)
        return [sentence.text for sentence in said if sentence.support is not None]

    @property
    def _attempt(self) -> Attempt:
        return self._second or self._first

    def stage(self, name: str) -> StageDone:
        """Record that a stage has ended now, in milliseconds since the question."""
        self._timings[name] = self._now()
        return StageDone(name, self._timings[name])

    def heard(self, heard: Heard) -> None:
        """The question and its history as the guard let them pass, which is all that is kept."""
        question, history = heard.question, heard.history
        verdict = heard.verdict if question != self._question else None
        self._asked = replace(self._asked, question=question, history=history, verdict=verdict)
        self._question = self._query = question
        self.add_findings(heard.verdict.findings)

    def named(self, given: Sequence[str]) -> None:
        """The pseudonyms of what the model says raw, in their order, as they come."""
        self._names = given

    def add_findings(self, findings: Sequence[Finding]) -> None:
        self._findings += findings

    def searched(
        self, asked: FollowUp, passages: Sequence[Passage], hide: Callable[[str], str]
    ) -> None:
        """What was searched for, and found. `hide` masks the asker's words for a refusal."""
        self._query = asked.text
        self._searched = asked.searched
        self._hide = hide
        self._passages = tuple(passages)

    def read(self, reading: Reading) -> None:
        self._reading = reading
        self._passages = reading.passages
        self.add_findings(reading.findings)

    def packed(self, packed: Packed) -> None:
        self._first.packed = packed

    def once_more(self, packed: Packed) -> None:
        """From now on it is the second attempt, with this prompt; the first is not shown."""
        self._second = Attempt(packed)
        self._known = None

    def token(self, token: Token) -> None:
        attempt = self._attempt
        if not attempt.tokens:
            self._timings.setdefault("first_token", self._now())
            # Now, while this thread is the engine's last one to have asked.
            attempt.start = start_of(self._engine)
        attempt.tokens.append(token)

    def first_shown(self) -> None:
        self._timings.setdefault("first_shown", self._now())

    def generated(self) -> None:
        self.stage("regenerate" if self._second else "generate")
        if not self._attempt.tokens:
            self._attempt.start = start_of(self._engine)

    def release(self, released: Released) -> Iterator[AnswerEvent]:
        """Show or hold a segment that left the guard, or withhold it and count it."""
        attempt = self._attempt
        if attempt.failed:
            return
        self.add_findings(
            [_moved(finding, released.start) for finding in released.verdict.findings]
        )
        if released.verdict.decision is Decision.BLOCK:
            self._blocked_by = released.verdict
            return
        if not released.text.strip():
            return
        if is_refusal(released.text):
            attempt.refused = attempt.claims == 0
        elif is_claim(released.text):
            yield from self._claim(attempt, released)
        else:
            tokens = shown_tokens(attempt.tokens, released)
            attempt.waiting.append(Shown(Sentence(released.text, None), tokens))

    def _claim(self, attempt: Attempt, released: Released) -> Iterator[AnswerEvent]:
        assert attempt.packed is not None
        assert self._reading is not None
        text, units = released.text, attempt.packed.units
        support = self._grounder.support([text], evidence_of(attempt.packed), self._question)[0]
        flags = self._facts(attempt.packed).unfounded(text)
        if not passes(self._config, support, flags):
            self._withheld += 1
            attempt.failed = self._strict
            return
        cited = cite(units, support.evidence, self._reading)
        sentence = Sentence(text, round(support.score or 0.0, 4), cited, flags)
        attempt.passed(Shown(sentence, shown_tokens(attempt.tokens, released)))
        if not self._strict:
            yield from self._show(*attempt.released())

    @property
    def _strict(self) -> bool:
        return self._config.policy == "strict"

    def _facts(self, packed: Packed) -> Known:
        """The numbers, dates, names and words of the prompt's evidence."""
        if self._known is None:
            self._known = Known((*texts_of(packed, self._passages), self._query))
        return self._known

    def weigh(self, log_odds: float) -> bool:
        """Do the passages answer this? `log_odds` are the model's own, of Yes against No."""
        packed = self._first.packed
        assert packed is not None
        assert self._reading is not None
        self._check = start_of(self._engine)
        texts = [f"{self._place(unit)} {unit.text}" for unit in packed.units]
        values = answerability(self._query, texts, self._reading.best, log_odds)
        weights = shipped_weights(self._engine.name)
        self._signals = {**values, "trust": trust(values, weights)}
        return self._signals["trust"] >= self._config.trust

    def _place(self, unit: Unit) -> str:
        return " ".join(heads(self._passages[unit.passage]))

    def finish(self) -> Iterator[AnswerEvent]:
        """The end of a generated answer: answered, abstained or blocked."""
        if self._blocked_by is not None:
            yield from self.blocked(notice(self._blocked_by, "answer"), self._blocked_by)
            return
        attempt, again = self._attempt, self._second is not None
        refused = attempt.refused or not self._withheld
        cause = ending(again, attempt.claims, refused, attempt.failed)
        if attempt.claims and not attempt.failed:
            yield from self._show(*attempt.released())
            yield self._answer("answered", cause or None)
        else:
            yield from self.abstained(cause)

    def blocked(self, text: str, verdict: Verdict) -> Iterator[AnswerEvent]:
        yield from self._show(Shown(Sentence(_apart(text, self._sentences), None)))
        yield self._answer("blocked", verdict.cause)

    def abstained(self, cause: str) -> Iterator[AnswerEvent]:
        searched = self._hide(self._searched) if self._searched else ""
        said = apology(self._passages, searched, self._where)
        yield from self._show(Shown(Sentence(said, None)))
        yield self._answer("abstained", cause)

    def cancelled(self) -> Iterator[AnswerEvent]:
        claimed = any(sentence.support is not None for sentence in self._sentences)
        yield self._answer("answered" if claimed else "abstained", STOPPED)

    def _show(self, *events: Shown) -> Iterator[AnswerEvent]:
        for shown in events:
            self._sentences.append(shown.sentence)
            yield shown

    def _answer(self, status: AnswerStatus, cause: str | None) -> Answer:
        self._timings["total"] = self._now()
        trace = self._tracer.place()
        answer = Answer(
            status=status,
            text="".join(sentence.text for sentence in self._sentences).strip(),
            sentences=tuple(self._sentences),
            passages=self._readable_passages(),
            findings=tuple(self._findings),
            tokens=self._token_use(),
            timings_ms=dict(self._timings),
            model=ModelRef(self._engine.name, self._engine.sha256),
            trace=str(trace or ""),
            cause=cause,
            withheld=self._withheld,
            signals={name: round(value, 4) for name, value in self._signals.items()},
            where=self._where,
            searched=self._searched,
            asked=self._question,
        )
        if trace is not None:
            self._tracer.write(trace, answer, self.made)
        return answer

    @property
    def made(self) -> Made:
        """What the answer is made of so far."""
        first, second = self._first, self._second
        parts = (self._reading, first.packed, tuple(first.tokens), self._check, first.start)
        again = None
        if second is not None and second.packed is not None:
            again = Again(second.packed, tuple(second.tokens), second.start)
        return Made(self._asked, self._query, *parts, again, tuple(self._names))

    def _token_use(self) -> TokenUse:
        attempts = [self._first, *([self._second] if self._second else [])]
        packed = [attempt.packed for attempt in attempts if attempt.packed]
        return TokenUse(
            prompt=sum(prompt.tokens for prompt in packed),
            completion=sum(len(attempt.tokens) for attempt in attempts),
            window=self._engine.window,
            dropped=tuple(lost for prompt in packed for lost in prompt.dropped),
            cached=self._check.cached if self._check else 0,
            exact=counts_exactly(self._engine),
        )

    def _readable_passages(self) -> tuple[Passage, ...]:
        if self._reading is None or self._reading.failed is not None:
            return ()
        hidden = self._reading.masks
        return tuple(veiled(p, spans) for p, spans in zip(self._passages, hidden, strict=True))

    def _now(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 2)


def _moved(finding: Finding, by: int) -> Finding:
    return replace(finding, start=finding.start + by, end=finding.end + by)


def _apart(text: str, before: Sequence[Sentence]) -> str:
    return f"\n\n{text}" if before else text
