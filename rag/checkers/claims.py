"""What every checker by name shares: what a claim is, what is cited for it, and how it fails.

This is the one place that fails closed: a model that raises, or gives no number, leaves its claims
without a score, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.types import Embedder
from rag.claims import is_claim
from rag.errors import EngineError
from rag.grounding import Evidence, Support, choose_evidence, missing_facts

LONGEST_CAUSE = 200


@dataclass(frozen=True, slots=True)
class Scored:
    """A claim's support in [0, 1], and the units of evidence that were read for it.

    Without a score, `failed` says why.
    """

    score: float | None
    units: tuple[int, ...] = ()
    failed: str = ""


class Scorer(Protocol):
    """How far the evidence supports each claim, one Scored a claim. There is some of both.

    A RuntimeError, as torch raises, or an EngineError fails all of them.
    """

    def score(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]: ...


class ClaimChecker:
    """A `rag.grounding.Checker` of a scorer. The embedder only helps to find what to cite."""

    def __init__(self, scorer: Scorer, embedder: Embedder) -> None:
        self._scorer = scorer
        self._embedder = embedder

    def support(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str = ""
    ) -> list[Support]:
        """One Support a segment, in order. Without evidence every claim has support 0."""
        results = [Support(None) for _ in segments]
        claims = [index for index, text in enumerate(segments) if is_claim(text)]
        if not evidence:
            for index in claims:
                results[index] = Support(0.0)
        elif claims:
            texts = [segments[index].strip() for index in claims]
            for index, text, scored in zip(
                claims, texts, self._scored(texts, evidence, question), strict=True
            ):
                results[index] = self._supported(text, evidence, scored, question)
        return results

    def _scored(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        try:
            return self._scorer.score(claims, evidence, question)
        except (RuntimeError, EngineError) as error:
            cause = " ".join(str(error).split())[:LONGEST_CAUSE] or type(error).__name__
            return [Scored(None, failed=cause) for _ in claims]

    def _supported(
        self, claim: str, evidence: Sequence[Evidence], scored: Scored, question: str
    ) -> Support:
        if scored.score is None or not math.isfinite(scored.score):
            return Support(None, failed=scored.failed or "the checker gave no number")
        return Support(
            score=min(1.0, max(0.0, scored.score)),
            evidence=self._cited(claim, evidence, scored.units),
            missing=missing_facts(claim, [unit.text for unit in evidence], question),
        )

    def _cited(
        self, claim: str, evidence: Sequence[Evidence], among: Sequence[int]
    ) -> tuple[int, ...]:
        """The unit, or the two, that best carry a claim, of those that were read for it."""
        if len(among) < 2:
            return tuple(among)
        texts = [evidence[index].text for index in among]
        vectors = self._embedder.embed([claim, *texts])
        similarity = (vectors[1:] @ vectors[0]).tolist()
        return tuple(among[place] for place in choose_evidence(claim, texts, similarity))
