"""Prompt injection: rules for attacks that have a form, a linear head for those that have none.

The head was trained by `evals.train.injection`; `weights/injection.md` is its card. Documents are
read sentence by sentence, so that one planted sentence is found among a hundred honest ones and
taken out alone. A rule that spans sentences marks all of them. In a document, "ignore all previous
instructions" announces more: the rest of its paragraph goes too, however harmless it sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.safety.floors import NO_FLOORS, Floors, reported_from
from rag.safety.heads import Embed, Heads
from rag.safety.injection_rules import RULES
from rag.safety.policy import INJECTION
from rag.safety.units import Unit, sentences, windows
from rag.types import Finding, Stage

DOCUMENT = "PROMPT_INJECTION_DOCUMENT"
_OVERRIDE = "injection:override"


class InjectionFilter:
    """Finds sentences that try to instruct the assistant.

    `heads` has two: PROMPT_INJECTION for what a person typed, and DOCUMENT for sentences of
    documents and answers, where a false alarm costs more. A lower score than a head's own threshold
    counts where `floors` says so.
    """

    name = "injection"

    def __init__(self, heads: Heads, embed: Embed, floors: Floors = NO_FLOORS) -> None:
        self._heads = heads
        self._embed = embed
        self._floors = floors

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """Findings labelled PROMPT_INJECTION over whole sentences."""
        units = sentences(text)
        found = [_widened(finding, units) for finding in self._rules(text, stage)]
        if stage == "passage":
            found = [_to_paragraph_end(finding, text) for finding in found]
        return found + self._learned(text, units, stage)

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Embeds what `find` will need for these texts in one batch."""
        units = [unit.text for text in texts for unit in _units(text, sentences(text), stage)]
        self._embed(self._heads.worth_a_look(units))

    def score(self, text: str) -> float:
        """How sure the filter is that a person's text is an attack, in [0, 1]; nothing skipped."""
        ruled = [finding.score for finding in self._rules(text, "question")]
        units = windows(text, sentences(text))
        learned = self._heads.score([u.text for u in units], self._embed, gated=False)
        return max([*ruled, *map(float, learned[:, 0]), 0.0])

    def _rules(self, text: str, stage: Stage) -> list[Finding]:
        return [
            Finding(stage, INJECTION, start, end, rule.score, f"{self.name}:{rule.name}")
            for rule in RULES
            for start, end in rule.find(text)
        ]

    def _learned(self, text: str, units: list[Unit], stage: Stage) -> list[Finding]:
        head = 0 if stage == "question" else 1
        units = _units(text, units, stage)
        if not units:
            return []
        scores = self._heads.score([unit.text for unit in units], self._embed)[:, head]
        own = float(self._heads.thresholds[head])
        cut = reported_from(own, self._floors, stage, INJECTION)
        return [
            Finding(stage, INJECTION, unit.start, unit.end, float(score), self.name)
            for unit, score in zip(units, scores, strict=True)
            if score >= cut
        ]


def _units(text: str, units: list[Unit], stage: Stage) -> list[Unit]:
    return windows(text, units) if stage == "question" else units


def _to_paragraph_end(finding: Finding, text: str) -> Finding:
    """An override stretched over what it makes room for; other findings as they are."""
    if finding.source != _OVERRIDE:
        return finding
    end = text.find("\n\n", finding.end)
    return replace(finding, end=len(text) if end < 0 else end)


def _widened(finding: Finding, units: list[Unit]) -> Finding:
    """The finding stretched to the sentences it touches."""
    touched = [u for u in units if u.start < finding.end and finding.start < u.end]
    start = min([finding.start, *(u.start for u in touched)])
    end = max([finding.end, *(u.end for u in touched)])
    return Finding(finding.stage, finding.label, start, end, finding.score, finding.source)
