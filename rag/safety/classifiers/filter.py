"""A classifier as the guard's filter: findings over the sentences of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from rag.safety.classifiers.types import Classifier, sound
from rag.safety.floors import NO_FLOORS, Floors, reported_from
from rag.safety.lru import Lru
from rag.safety.units import Unit, sentences, windows
from rag.types import Finding, Stage

CAPACITY = 4096

Scores = Mapping[str, float]


class ClassifierFilter:
    """Finds sentences that a classifier flags; in a question also runs of sentences.

    No sentence is judged twice while it is remembered, by a hash of it. `identity` is the
    classifier's. A lower probability than a threshold counts where `floors` says so.
    """

    def __init__(
        self,
        name: str,
        classifier: Classifier,
        capacity: int = CAPACITY,
        floors: Floors = NO_FLOORS,
    ) -> None:
        self.name = name
        self._classifier = classifier
        self._floors = floors
        self._known: Lru[bytes, Scores] = Lru(capacity)

    @property
    def identity(self) -> str:
        return self._classifier.identity

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The probability from which each label counts as found."""
        return self._classifier.thresholds

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """One finding for every sentence (in a question: or run) and label over its threshold."""
        units = _units(text, stage)
        return [
            Finding(stage, label, unit.start, unit.end, p, self.name)
            for unit, scores in zip(units, self._scored(units, stage), strict=True)
            for label, p in scores.items()
            if p >= reported_from(self.thresholds[label], self._floors, stage, label)
        ]

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Judges all that `find` will need for these texts at once."""
        self._scored([unit for text in texts for unit in _units(text, stage)], stage)

    def scores(self, text: str) -> Scores:
        """The highest probability of every label over a question's sentences and runs."""
        found = self._scored(_units(text, "question"), "question")
        return {label: max((s[label] for s in found), default=0.0) for label in self.thresholds}

    def forget(self) -> None:
        """Drops all that is remembered."""
        self._known.clear()

    def _scored(self, units: Sequence[Unit], stage: Stage) -> list[Scores]:
        texts = [unit.text for unit in units]
        known = {text: self._known.get(_key(text, stage)) for text in texts}
        missed = [text for text, scores in known.items() if scores is None]
        for text, fresh in zip(missed, sound(self._classifier, missed, stage), strict=True):
            known[text] = fresh
            self._known.put(_key(text, stage), fresh)
        return [scores for text in texts if (scores := known[text]) is not None]


def _units(text: str, stage: Stage) -> list[Unit]:
    units = sentences(text)
    return windows(text, units) if stage == "question" else units


def _key(text: str, stage: Stage) -> bytes:
    data = f"{stage}\0{text}".encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=16).digest()
