"""Cheap first, expensive where the cheap one is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from rag.safety.classifiers.types import Classifier, sound
from rag.types import Stage


@dataclass(frozen=True, slots=True)
class Grey:
    """Probabilities from `low` to under `high` settle nothing."""

    low: float = 0.2
    high: float = 0.9

    def holds(self, probability: float) -> bool:
        return self.low <= probability < self.high

    def around(self, threshold: float) -> Grey:
        """The zone, wide enough that outside it a classifier with this threshold agrees with it."""
        return Grey(min(self.low, threshold), max(self.high, threshold))


Zones = Mapping[str, Grey]


@dataclass(frozen=True, slots=True)
class Passed:
    """Of `seen` texts, how many were `passed` on to the expensive classifier."""

    seen: int = 0
    passed: int = 0


def unsure(scores: Mapping[str, float], zones: Zones) -> bool:
    """Whether a label lies in its grey zone. Pure."""
    return any(zone.holds(scores[label]) for label, zone in zones.items())


def settled(
    cheap: Mapping[str, float], dear: Mapping[str, float], zones: Zones
) -> dict[str, float]:
    """The expensive one's word where the cheap one was unsure, and on what only it knows. Pure."""
    clear = {
        label: p for label, p in cheap.items() if label not in zones or not zones[label].holds(p)
    }
    return {**cheap, **dear, **clear}


class Cascade:
    """A classifier of two. The expensive one is asked of texts that the cheap one is unsure about.

    A label that only the expensive one has is 0 for texts that it was not asked about. What either
    raises is raised: an unsure text without an answer has none.
    """

    def __init__(self, cheap: Classifier, dear: Classifier, grey: Grey) -> None:
        self._cheap, self._dear = cheap, dear
        self._zones: Zones = {
            label: grey.around(threshold)
            for label, threshold in cheap.thresholds.items()
            if label in dear.thresholds
        }
        self._absent = dict.fromkeys(dear.thresholds.keys() - cheap.thresholds.keys(), 0.0)
        self._count = Passed()
        self._lock = Lock()
        self.identity = f"{cheap.identity} > {dear.identity} in {grey.low} to {grey.high}"
        # Outside the zone the cheap one's word is clear by either threshold.
        self.thresholds: Mapping[str, float] = {**cheap.thresholds, **dear.thresholds}

    @property
    def count(self) -> Passed:
        """How many texts came, and how many were passed on."""
        return self._count

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        """One mapping a text; those in the grey zone go to the expensive classifier together."""
        found: list[Mapping[str, float]] = [
            {**scores, **self._absent} for scores in sound(self._cheap, texts, stage)
        ]
        asked = [n for n, scores in enumerate(found) if unsure(scores, self._zones)]
        with self._lock:
            self._count = Passed(self._count.seen + len(texts), self._count.passed + len(asked))
        answers = sound(self._dear, [texts[n] for n in asked], stage)
        for n, dear in zip(asked, answers, strict=True):
            cheap = {label: p for label, p in found[n].items() if label not in self._absent}
            found[n] = settled(cheap, dear, self._zones)
        return found
