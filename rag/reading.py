"""Passages to the sentences that the model may read: guarded, masked, valued.

A sentence that carries an instruction or harmful content is left out whole, or its passage is, as
the policy says; personal data in a sentence is masked before the model sees it, so that it has
nothing to leak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingest.sentences import split_sentences
from ingest.types import Embedder
from rag.prompt import Unit
from rag.safety.guard import Guard
from rag.safety.labels import SPANS
from rag.safety.left_out import HIDDEN, IN_HEADING, IN_TITLE, is_barred
from rag.safety.pseudonyms import Names, unforged
from rag.safety.redact import Mark, Mask, masks, redact
from rag.types import Decision, Dropped, Finding, Passage, Verdict
from rag.worth import valued

BLOCKED = "BLOCKED"


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


def read(
    question: str,
    passages: Sequence[Passage],
    guard: Guard,
    embedder: Embedder,
    names: Names | None = None,
) -> Reading:
    """Guard the passages, cut them into sentences, and value each for the question.

    With `names`, personal data may be read as pseudonyms. Raises what these raise.
    """
    verdicts = guard.check_all([passage.text for passage in passages], "passage", names)
    failed = next((verdict for verdict in verdicts if verdict.status == "error"), None)
    if failed is not None:
        return Reading((), (), (), (), (), 0.0, failed)
    labelled = [_labelled(passage, guard, names) for passage in passages]
    words = _Words(guard.marks(names), unforged if names is not None else str)
    passages = [passage for passage, _ in labelled]
    pieces: list[Unit] = []
    dropped: list[Dropped] = []
    hidden: list[tuple[Mask, ...]] = []
    for index, (passage, verdict) in enumerate(zip(passages, verdicts, strict=True)):
        kept, lost, spans = _sentences(index, passage, verdict, words)
        pieces += kept
        hidden.append(spans)
        if lost:
            some = "" if verdict.decision is Decision.BLOCK else f"{lost} sentence(s) of "
            what = f"{some}passage {index + 1} ({passage.title})"
            dropped.append(Dropped(what, 0, "instructions or harmful content in a document"))
    units, best = valued(question, passages, pieces, embedder)
    findings = [
        _located(finding, passage)
        for passage, verdict in zip(passages, verdicts, strict=True)
        for finding in verdict.findings
    ]
    findings += [finding for _, found in labelled for finding in found]
    named = tuple(dict.fromkeys(findings))
    return Reading(tuple(passages), units, named, tuple(hidden), tuple(dropped), best)


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


@dataclass(frozen=True, slots=True)
class _Words:
    """What stands in place of what is hidden, and what is done to the rest."""

    mark: Mark
    between: Callable[[str], str]


def _labelled(passage: Passage, guard: Guard, names: Names | None) -> tuple[Passage, list[Finding]]:
    """The passage with its title and headings guarded: they are shown and read too.

    With it what was found in them; the span of such a finding is one of the title or heading.
    """
    title, found = _label(passage.title, IN_TITLE, passage.document, guard, names)
    headings = []
    for heading in passage.headings:
        shown, more = _label(heading, IN_HEADING, passage.document, guard, names)
        headings.append(shown)
        found += more
    return replace(passage, title=title, headings=tuple(headings)), found


def _label(
    text: str, where: str, document: str, guard: Guard, names: Names | None
) -> tuple[str, list[Finding]]:
    if not text:
        return text, []
    verdict = guard.check(text, "passage", names=names)
    shown = HIDDEN if any(map(is_barred, verdict.findings)) else verdict.text or HIDDEN
    return shown, [
        replace(finding, source=f"{finding.source}{where}", document=document)
        for finding in verdict.findings
    ]


def _sentences(
    index: int, passage: Passage, verdict: Verdict, words: _Words
) -> tuple[list[Unit], int, tuple[Mask, ...]]:
    """Readable sentences of one passage, how many were left out, and its hidden document spans."""
    if verdict.decision is Decision.BLOCK:
        whole = Mask(passage.start, passage.end, BLOCKED, passage.end - passage.start)
        return [], len(split_sentences(passage.text)), (whole,)
    acted = [finding for finding in verdict.findings if finding.action != "keep"]
    barred = [finding for finding in acted if is_barred(finding)]
    spans = masks(passage.text, (finding for finding in acted if finding.label in SPANS))
    units, lost = [], 0
    for start, end in split_sentences(passage.text):
        if any(finding.start < end and finding.end > start for finding in barred):
            lost += 1
            continue
        hidden_here = _within(spans, start, end)
        text = redact(passage.text[start:end], hidden_here, words.mark, words.between)
        units.append(Unit(index, passage.start + start, passage.start + end, text, 0.0))
    hidden = [*spans, *masks(passage.text, barred)]
    return units, lost, tuple(_shift(mask, passage.start) for mask in hidden)


def _within(spans: Sequence[Mask], start: int, end: int) -> list[Mask]:
    return [
        replace(m, start=max(m.start, start) - start, end=min(m.end, end) - start)
        for m in spans
        if m.start < end and m.end > start
    ]


def _shift(mask: Mask, by: int) -> Mask:
    return replace(mask, start=mask.start + by, end=mask.end + by)


def _located(finding: Finding, passage: Passage) -> Finding:
    """The finding with its document, and its span in it instead of in the passage."""
    start, end = finding.start + passage.start, finding.end + passage.start
    return replace(finding, start=start, end=end, document=passage.document)
