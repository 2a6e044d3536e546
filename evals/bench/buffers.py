"""Ways to hold a streamed answer back until it was filtered, under one measure of what leaks. Pure.

Each takes the answer's tokens as they come and a check, and says which characters the reader saw
as they were written. The chunk buffer follows the documented behaviour of NeMo Guardrails' rolling
buffer (chunk_size 200, context_size 50, stream_first).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.safety.redact import masks
from rag.safety.rules import MASKED
from rag.safety.stream import Check, StreamGuard
from rag.types import Decision, Verdict

CHUNK, CONTEXT = 200, 50

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of one stream. `visible` are spans of the answer that were shown unmasked.

    `first_token` is how many tokens had come when text was first shown, `waited` the seconds of
    filtering until then; `checked` counts the characters that filters read, context included;
    `delays` are the seconds of each check.
    """

    visible: tuple[Span, ...]
    first_token: int
    waited: float
    checked: int
    delays: tuple[float, ...]
    stopped: bool

    @property
    def seconds(self) -> float:
        """What filtering took in all."""
        return sum(self.delays)


Buffer = Callable[[Sequence[str], Check], Delivery]


class _Counted:
    """A check that keeps count of the characters and seconds that it takes."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self.characters = 0
        self.delays: list[float] = []

    @property
    def seconds(self) -> float:
        return sum(self.delays)

    def __call__(self, text: str, context: str) -> Verdict:
        began = time.perf_counter()
        verdict = self._check(text, context)
        self.delays.append(time.perf_counter() - began)
        self.characters += len(text) + len(context)
        return verdict


class _Reader:
    """What the reader has seen so far."""

    def __init__(self, check: _Counted) -> None:
        self._check = check
        self._visible: list[Span] = []
        self._first: tuple[int, float] | None = None
        self.stopped = False

    def see(self, spans: Sequence[Span], token: int) -> None:
        if spans and self._first is None:
            self._first = token, self._check.seconds
        self._visible += spans

    def delivery(self, tokens: int) -> Delivery:
        first, waited = self._first or (tokens, self._check.seconds)
        checked, delays = self._check.characters, tuple(self._check.delays)
        return Delivery(tuple(self._visible), first, waited, checked, delays, self.stopped)


def by_segment(tokens: Sequence[str], check: Check) -> Delivery:
    """Surefoot: a segment is shown once it is complete and was checked."""
    counted, text = _Counted(check), "".join(tokens)
    reader, guard = _Reader(counted), StreamGuard(counted)
    for number, token in enumerate((*tokens, None), start=1):
        for item in guard.finish() if token is None else guard.feed(token):
            spans = unmasked(item.start, text[item.start : item.end], item.verdict)
            reader.see(spans, min(number, len(tokens)))
    reader.stopped = guard.blocked
    return reader.delivery(len(tokens))


def chunks_shown_first(tokens: Sequence[str], check: Check) -> Delivery:
    """A chunk is shown, then checked; a finding ends the stream."""
    counted = _Counted(check)
    reader = _Reader(counted)
    for start, context, text, token in _chunks(tokens):
        reader.see([(start, start + len(text))], token)
        if counted(text, context).decision is not Decision.ALLOW:
            reader.stopped = True
            break
    return reader.delivery(len(tokens))


def chunks_checked_first(tokens: Sequence[str], check: Check) -> Delivery:
    """A chunk is checked, then shown without what was found in it."""
    counted = _Counted(check)
    reader = _Reader(counted)
    for start, context, text, token in _chunks(tokens):
        verdict = counted(text, context)
        reader.see(unmasked(start, text, verdict), token)
        if verdict.decision is Decision.BLOCK:
            reader.stopped = True
            break
    return reader.delivery(len(tokens))


def whole(tokens: Sequence[str], check: Check) -> Delivery:
    """Nothing is shown before the answer is complete and was checked as one."""
    counted = _Counted(check)
    reader, text = _Reader(counted), "".join(tokens)
    verdict = counted(text, "")
    reader.see(unmasked(0, text, verdict), len(tokens))
    reader.stopped = verdict.decision is Decision.BLOCK
    return reader.delivery(len(tokens))


def borders(count: int, chunk: int = CHUNK, context: int = CONTEXT) -> list[int]:
    """Token counts at which a chunk is handed on: at `chunk`, then at each `chunk - context` more.

    The context is carried in the buffer and counts toward its size. The last chunk is what's left.
    """
    return [*range(chunk, count, chunk - context), count] if count else []


def unmasked(start: int, text: str, verdict: Verdict) -> list[Span]:
    """The parts of a text, which starts at `start` of the answer, that its verdict leaves as is."""
    if verdict.decision is Decision.BLOCK:
        return []
    spans, at = [], 0
    for mask in masks(text, (f for f in verdict.findings if f.action in MASKED)):
        spans.append((start + at, start + mask.start))
        at = mask.end
    spans.append((start + at, start + len(text)))
    return [span for span in spans if span[0] < span[1]]


def overlap(spans: Sequence[Span], others: Sequence[Span]) -> int:
    """Characters that lie both in a span of one and a span of the other; each list is disjoint."""
    return sum(max(0, min(e, f) - max(s, t)) for s, e in spans for t, f in others)


def _chunks(tokens: Sequence[str]) -> Iterator[tuple[int, str, str, int]]:
    """(start of the new text, context, new text, tokens that have come) for each chunk."""
    begin = position = 0
    for end in borders(len(tokens)):
        text = "".join(tokens[begin:end])
        yield position, "".join(tokens[max(0, begin - CONTEXT) : begin]), text, end
        begin, position = end, position + len(text)
