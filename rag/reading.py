"""Passages to the sentences that the model may read: guarded, masked, valued.

A sentence that carries an instruction or harmful content is left out whole; personal data in a
sentence is masked before the model sees it, so that it has nothing to leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.sentences import split_sentences
from ingest.types import Embedder
from rag.prompt import Unit
from rag.safety.guard import Guard
from rag.safety.policy import PERSONAL
from rag.safety.redact import Mask, masks, redact
from rag.types import Dropped, Finding, Passage, Verdict
from rag.worth import valued


@dataclass(frozen=True, slots=True)
class Reading:
    """What may be read of the passages. `masks` are document spans hidden in each passage.

    `passages` are those given, with titles and headings as they may be shown.

    `failed` is the first verdict of a filter that did not run, if any: then nothing is read.
    """

    passages: tuple[Passage, ...]
    units: tuple[Unit, ...]
    findings: tuple[Finding, ...]
    masks: tuple[tuple[Mask, ...], ...]
    dropped: tuple[Dropped, ...]
    best: float
    failed: Verdict | None = None


def read(question: str, passages: Sequence[Passage], guard: Guard, embedder: Embedder) -> Reading:
    """Guard the passages, cut them into sentences, and value each for the question."""
    verdicts = guard.check_all([passage.text for passage in passages], "passage")
    failed = next((verdict for verdict in verdicts if verdict.status == "error"), None)
    if failed is not None:
        return Reading((), (), (), (), (), 0.0, failed)
    passages = [_labelled(passage, guard) for passage in passages]
    pieces: list[Unit] = []
    dropped: list[Dropped] = []
    hidden: list[tuple[Mask, ...]] = []
    for index, (passage, verdict) in enumerate(zip(passages, verdicts, strict=True)):
        kept, lost, spans = _sentences(index, passage, verdict)
        pieces += kept
        hidden.append(spans)
        if lost:
            what = f"{lost} sentence(s) of passage {index + 1} ({passage.title})"
            dropped.append(Dropped(what, 0, "instructions or harmful content in a document"))
    units, best = valued(question, passages, pieces, embedder)
    findings = tuple(
        _located(finding, passage)
        for passage, verdict in zip(passages, verdicts, strict=True)
        for finding in verdict.findings
    )
    return Reading(tuple(passages), units, findings, tuple(hidden), tuple(dropped), best)


def quotable(start: int, end: int, hidden: Sequence[Mask]) -> list[tuple[int, int]]:
    """The parts of document span `start:end` that hold nothing hidden, in order. Pure."""
    parts = []
    position = start
    for mask in sorted(hidden, key=lambda mask: mask.start):
        if mask.end <= position or mask.start >= end:
            continue
        parts.append((position, mask.start))
        position = mask.end
    parts.append((position, end))
    return [(a, b) for a, b in parts if a < b]


def _labelled(passage: Passage, guard: Guard) -> Passage:
    """The passage with its title and headings guarded: they are shown and read too."""
    title, *headings = (
        guard.check(label, "passage").text or "(hidden)" if label else ""
        for label in (passage.title, *passage.headings)
    )
    return replace(passage, title=title, headings=tuple(headings))


def _sentences(
    index: int, passage: Passage, verdict: Verdict
) -> tuple[list[Unit], int, tuple[Mask, ...]]:
    """Readable sentences of one passage, how many were left out, and its hidden document spans."""
    acted = [finding for finding in verdict.findings if finding.action != "keep"]
    personal = [finding for finding in acted if finding.label in PERSONAL]
    barred = [finding for finding in acted if finding.label not in PERSONAL]
    spans = masks(passage.text, personal)
    units, lost = [], 0
    for start, end in split_sentences(passage.text):
        if any(finding.start < end and finding.end > start for finding in barred):
            lost += 1
            continue
        text = redact(passage.text[start:end], _within(spans, start, end))
        units.append(Unit(index, passage.start + start, passage.start + end, text, 0.0))
    hidden = [*spans, *masks(passage.text, barred)]
    return units, lost, tuple(_shift(mask, passage.start) for mask in hidden)


def _within(spans: Sequence[Mask], start: int, end: int) -> list[Mask]:
    return [
        Mask(max(m.start, start) - start, min(m.end, end) - start, m.label, m.weight)
        for m in spans
        if m.start < end and m.end > start
    ]


def _shift(mask: Mask, by: int) -> Mask:
    return Mask(mask.start + by, mask.end + by, mask.label, mask.weight)


def _located(finding: Finding, passage: Passage) -> Finding:
    """The finding with its span in the document instead of in the passage."""
    return replace(finding, start=finding.start + passage.start, end=finding.end + passage.start)
