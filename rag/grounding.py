"""Does a source support a sentence? Scores and the exact evidence, for gate and evals alike.

Evidence units are sentences of the sources with their document offsets. A sentence of an answer is
compared with each unit by meaning (embeddings) and by words, and its numbers, names and negations
must stand in the sources. A logistic model, trained by `evals/train/grounding.py`, turns the
comparison into a probability.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from ingest.types import Embedder
from rag.claims import content_words, is_claim, names, negations, numbers

FEATURES = (
    "similarity",
    "recall_best",
    "recall_all",
    "bigram_recall",
    "missing_numbers",
    "missing_names",
    "negation_differs",
    "length",
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A unit of source text: `text` as shown, standing at document characters `start:end`."""

    passage: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Support:
    """How far the evidence supports a segment, in [0, 1]; None for a segment that claims nothing.

    `evidence` holds indices of the units that carry it, strongest first (two when one is not
    enough). `missing` lists numbers and names of the segment that stand in no source. `failed` says
    why a claim has no score, where a checker could give none; it counts as unsupported.
    """

    score: float | None
    evidence: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    failed: str = ""


class Checker(Protocol):
    """Anything that says how far the evidence supports each segment, one Support a segment."""

    def support(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str = ""
    ) -> list[Support]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a claim's support rests on: the values of FEATURES, and the units that carry it."""

    values: Mapping[str, float]
    evidence: tuple[int, ...]


class Grounder:
    """The default checker: no model beyond the embedder that is loaded anyway."""

    def __init__(self, embedder: Embedder, weights: Mapping[str, float] | None = None) -> None:
        self._embedder = embedder
        self._weights = dict(weights or shipped_weights())

    def support(
        self, segments: Sequence[str], evidence: Sequence[Evidence], question: str = ""
    ) -> list[Support]:
        """One Support a segment, in order. Without evidence every claim has support 0."""
        claims = [index for index, text in enumerate(segments) if is_claim(text)]
        results = [Support(None) for _ in segments]
        if not evidence:
            for index in claims:
                results[index] = Support(0.0)
            return results
        units = [unit.text for unit in evidence]
        compared = self.compare([segments[index] for index in claims], units, question)
        for index, found in zip(claims, compared, strict=True):
            results[index] = Support(
                score=probability(found.values, self._weights),
                evidence=found.evidence,
                missing=missing_facts(segments[index], units, question),
            )
        return results

    def compare(
        self, claims: Sequence[str], units: Sequence[str], question: str = ""
    ) -> list[Comparison]:
        """Each claim beside the sources' units, of which there is at least one."""
        if not claims:
            return []
        vectors = self._embedder.embed([*claims, *units])
        similarity = (vectors[: len(claims)] @ vectors[len(claims) :].T).tolist()
        found = []
        for claim, near in zip(claims, similarity, strict=True):
            chosen = choose_evidence(claim, units, near)
            found.append(Comparison(features(claim, units, near, chosen, question), chosen))
        return found


def choose_evidence(
    segment: str, units: Sequence[str], similarity: Sequence[float]
) -> tuple[int, ...]:
    """The unit that best carries the segment, and a second one if it adds words that matter."""
    words = content_words(segment)
    recalls = [_recall(words, content_words(unit)) for unit in units]
    order = sorted(range(len(units)), key=lambda i: (-(recalls[i] + similarity[i]), i))
    best = order[0]
    left = words - content_words(units[best])
    gains = [(_recall(left, content_words(units[i])), -rank, i) for rank, i in enumerate(order[1:])]
    if left and gains:
        gain, _, second = max(gains)
        if gain * len(left) / max(1, len(words)) >= 0.2 and similarity[second] > 0.25:
            return (best, second)
    return (best,)


def features(
    segment: str,
    units: Sequence[str],
    similarity: Sequence[float],
    chosen: Sequence[int],
    question: str = "",
) -> dict[str, float]:
    """The comparison of a segment with its sources, each value in about [0, 1]. Pure."""
    words = content_words(segment)
    picked = " ".join(units[index] for index in chosen)
    everything = " ".join(units)
    lost_numbers, lost_names = _lost(segment, everything, question)
    return {
        "similarity": max(similarity),
        "recall_best": _recall(words, content_words(picked)),
        "recall_all": _recall(words, content_words(everything)),
        "bigram_recall": _recall(_bigrams(segment), _bigrams(everything)),
        "missing_numbers": min(1.0, len(lost_numbers) / 2),
        "missing_names": min(1.0, len(lost_names) / 2),
        "negation_differs": float(bool(negations(segment)) != bool(negations(picked))),
        "length": min(1.0, len(words) / 30),
    }


def missing_facts(segment: str, units: Sequence[str], question: str = "") -> tuple[str, ...]:
    """Numbers and names of the segment that stand neither in the sources nor in the question."""
    lost_numbers, lost_names = _lost(segment, " ".join(units), question)
    return tuple(sorted(lost_numbers | lost_names))


def probability(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Logistic model over the features."""
    total = weights["bias"] + sum(weights[name] * values[name] for name in FEATURES)
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total))))


def shipped_weights() -> Mapping[str, float]:
    """The trained weights that ship; their card stands beside them in the file."""
    weights: dict[str, float] = _shipped()["weights"]
    return weights


def shipped_threshold() -> float:
    """The support from which a sentence is called supported. The gate may let lower ones pass."""
    return float(_shipped()["card"]["threshold"])


@cache
def _shipped() -> dict[str, Any]:
    path = Path(__file__).parent / "grounding.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def _recall(wanted: frozenset[str], given: frozenset[str]) -> float:
    return len(wanted & given) / len(wanted) if wanted else 1.0


def _bigrams(text: str) -> frozenset[str]:
    words = text.lower().split()
    return frozenset(f"{a} {b}" for a, b in pairwise(words))


def _lost(segment: str, source: str, question: str) -> tuple[frozenset[str], frozenset[str]]:
    """Numbers, and names, of the segment that stand in neither."""
    return (
        numbers(segment) - numbers(source) - numbers(question),
        names(segment) - _lowered(source) - _lowered(question),
    )


def _lowered(text: str) -> frozenset[str]:
    return frozenset(word.strip(".,;:!?()[]\"'’“”").lower() for word in text.split())
