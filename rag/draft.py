"""An answer in the making: what was found, counted, timed and shown, and how it ends.

Decides for each released segment whether it is shown: a claim needs its support, framing waits for
a claim to frame, and an admission of not knowing ends the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.abstain import answerability, shipped_weights, trust
from rag.claims import is_claim, is_refusal
from rag.config import GroundingConfig
from rag.engines.counting import counts_exactly
from rag.engines.lineage import Start, start_of
from rag.followup import FollowUp
from rag.grounding import Checker, Evidence, Support
from rag.prompt import Packed, Unit
from rag.reading import Reading, quotable
from rag.safety.notices import notice
from rag.safety.redact import Mask
from rag.trace import Asked, Made, Tracer
from rag.types import (
    Answer,
    AnswerEvent,
    AnswerStatus,
    Citation,
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

VEIL = "•"
STOPPED = "stopped by the reader"
MAX_QUOTES = 3
LEAST_QUOTE = 12


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
        self._packed: Packed | None = None
        self._tokens: list[Token] = []
        self._sentences: list[Sentence] = []
        self._waiting: list[Sentence] = []
        self._withheld = 0
        self._claims = 0
        self._refused = False
        self._signals: dict[str, float] = {}
        self._check: Start | None = None
        self._start: Start | None = None
        self._query = asked.question
        self._searched = ""
        self._where = " and ".join(asked.where)
        self._blocked_by: Verdict | None = None

    @property
    def decided(self) -> bool:
        """True when what the model says next can't matter: the answer is "I don't know"."""
        return self._refused

    def stage(self, name: str) -> StageDone:
        """Record that a stage has ended now, in milliseconds since the question."""
        self._timings[name] = self._now()
        return StageDone(name, self._timings[name])

    def add_findings(self, findings: Sequence[Finding]) -> None:
        self._findings += findings

    def searched(self, asked: FollowUp, passages: Sequence[Passage]) -> None:
        self._query = asked.text
        self._searched = asked.searched
        self._passages = tuple(passages)

    def read(self, reading: Reading) -> None:
        self._reading = reading
        self._passages = reading.passages
        self.add_findings(reading.findings)

    def packed(self, packed: Packed) -> None:
        self._packed = packed

    def token(self, token: Token) -> None:
        if not self._tokens:
            self.stage("first_token")
            # Now, while this thread is the engine's last one to have asked.
            self._start = start_of(self._engine)
        self._tokens.append(token)

    def first_shown(self) -> None:
        self._timings.setdefault("first_shown", self._now())

    def generated(self) -> None:
        self.stage("generate")
        if not self._tokens:
            self._start = start_of(self._engine)

    def release(self, released: Released) -> Iterator[AnswerEvent]:
        """Show a segment that left the guard, or withhold it and count it."""
        self.add_findings(
            [_moved(finding, released.start) for finding in released.verdict.findings]
        )
        if released.verdict.decision is Decision.BLOCK:
            self._blocked_by = released.verdict
            return
        if not released.text.strip():
            return
        if is_refusal(released.text):
            self._refused = self._claims == 0
            return
        if not is_claim(released.text):
            self._waiting.append(Sentence(released.text, None))
            return
        yield from self._claim(released.text)

    def _claim(self, text: str) -> Iterator[AnswerEvent]:
        support = self._grounder.support([text], self._evidence(), self._question)[0]
        score = support.score or 0.0
        if self._config.policy == "drop" and score < self._config.threshold:
            self._withheld += 1
            return
        self._claims += 1
        yield from self._show(*self._waiting, Sentence(text, round(score, 4), self._cite(support)))
        self._waiting.clear()

    def weigh(self, log_odds: float) -> bool:
        """Do the passages answer this? `log_odds` are the model's own, of Yes against No."""
        assert self._packed is not None
        assert self._reading is not None
        self._check = start_of(self._engine)
        texts = [f"{self._place(unit)} {unit.text}" for unit in self._packed.units]
        values = answerability(self._query, texts, self._reading.best, log_odds)
        weights = shipped_weights(self._engine.name)
        self._signals = {**values, "trust": trust(values, weights)}
        return self._signals["trust"] >= self._config.trust

    def _place(self, unit: Unit) -> str:
        passage = self._passages[unit.passage]
        return " ".join((passage.title, *passage.headings))

    def finish(self) -> Iterator[AnswerEvent]:
        """The end of a generated answer: answered, abstained or blocked."""
        if self._blocked_by is not None:
            yield from self.blocked(notice(self._blocked_by, "answer"), self._blocked_by)
        elif self._claims:
            yield self._answer("answered", None)
        elif self._refused or not self._withheld:
            yield from self.abstained("the model found no answer in the passages")
        else:
            yield from self.abstained("nothing that the model said is supported by the passages")

    def blocked(self, text: str, verdict: Verdict) -> Iterator[AnswerEvent]:
        yield from self._show(Sentence(_apart(text, self._sentences), None))
        yield self._answer("blocked", verdict.cause)

    def abstained(self, cause: str) -> Iterator[AnswerEvent]:
        yield from self._show(Sentence(self._apology(), None))
        yield self._answer("abstained", cause)

    def cancelled(self) -> Iterator[AnswerEvent]:
        yield self._answer("answered" if self._claims else "abstained", STOPPED)

    def _apology(self) -> str:
        """Says that the answer is not known, and what came nearest."""
        titles = list(dict.fromkeys(passage.title for passage in self._passages))[:3]
        if not titles and self._where:
            return "I don't know: no document that I may search for you meets your conditions."
        if not titles:
            return "I don't know: there are no documents here that I may search for you."
        nearest = "; ".join(titles)
        return f"I don't know: the documents don't answer this. Nearest were: {nearest}."

    def _show(self, *sentences: Sentence) -> Iterator[AnswerEvent]:
        for sentence in sentences:
            self._sentences.append(sentence)
            yield Shown(sentence)

    def _evidence(self) -> list[Evidence]:
        units = self._packed.units if self._packed else ()
        return [Evidence(unit.passage, unit.start, unit.end, unit.text) for unit in units]

    def _cite(self, support: Support) -> tuple[Citation, ...]:
        assert self._packed is not None
        units = [self._packed.units[index] for index in support.evidence]
        return tuple(citation for unit in units for citation in self._quotes(unit))

    def _quotes(self, unit: Unit) -> list[Citation]:
        """Exact document characters of a unit, around anything hidden in it."""
        assert self._reading is not None
        passage = self._passages[unit.passage]
        parts = quotable(unit.start, unit.end, self._reading.masks[unit.passage])
        spans = [_trimmed(passage, start, end) for start, end in parts]
        spans = sorted(spans, key=lambda span: span[0] - span[1])[:MAX_QUOTES]
        spans = [span for span in spans if span[1] - span[0] >= LEAST_QUOTE] or spans[:1]
        return [
            Citation(
                passage.document,
                passage.path,
                passage.page,
                start,
                end,
                passage.text[start - passage.start : end - passage.start],
            )
            for start, end in sorted(spans)
            if start < end
        ]

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
        )
        if trace is not None:
            self._tracer.write(trace, answer, self.made)
        return answer

    @property
    def made(self) -> Made:
        """What the answer is made of so far."""
        parts = (self._reading, self._packed, tuple(self._tokens), self._check, self._start)
        return Made(self._asked, self._query, *parts)

    def _token_use(self) -> TokenUse:
        packed = self._packed
        return TokenUse(
            prompt=packed.tokens if packed else 0,
            completion=len(self._tokens),
            window=self._engine.window,
            dropped=packed.dropped if packed else (),
            cached=self._check.cached if self._check else 0,
            exact=counts_exactly(self._engine),
        )

    def _readable_passages(self) -> tuple[Passage, ...]:
        if self._reading is None or self._reading.failed is not None:
            return ()
        hidden = self._reading.masks
        return tuple(_veiled(p, spans) for p, spans in zip(self._passages, hidden, strict=True))

    def _now(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 2)


def _moved(finding: Finding, by: int) -> Finding:
    return replace(finding, start=finding.start + by, end=finding.end + by)


def _veiled(passage: Passage, hidden: Sequence[Mask]) -> Passage:
    """The passage with what is hidden in it as dots, one a character, so that offsets stay true."""
    text = passage.text
    for mask in hidden:
        start, end = mask.start - passage.start, mask.end - passage.start
        text = text[:start] + VEIL * (end - start) + text[end:]
    return replace(passage, text=text)


def _trimmed(passage: Passage, start: int, end: int) -> tuple[int, int]:
    """The span without blanks and dangling punctuation at its ends."""
    text = passage.text[start - passage.start : end - passage.start]
    left = len(text) - len(text.lstrip(" \t\n,;:|-–"))
    right = len(text.rstrip(" \t\n,;:|-–"))
    return start + left, start + max(left, right)


def _apart(text: str, before: Sequence[Sentence]) -> str:
    return f"\n\n{text}" if before else text
