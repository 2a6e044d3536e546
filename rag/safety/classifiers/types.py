"""What a classifier is. A leaf."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from rag.types import Stage


class OddScoresError(Exception):
    """A classifier gave no probability for a label of its own, or one for another's."""


class Classifier(Protocol):
    """Says how likely each of its labels holds of a text.

    `identity` tells it from others: its name, its weights, its wording. `thresholds` are its labels
    and the probability from which each counts as found. `classify` gives one mapping a text, with
    just these labels. What it raises blocks the texts.
    """

    @property
    def identity(self) -> str: ...

    @property
    def thresholds(self) -> Mapping[str, float]: ...

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]: ...


def sound(classifier: Classifier, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
    """What the classifier says of the texts. Raises OddScoresError if that cannot be true."""
    found = classifier.classify(texts, stage) if texts else []
    if len(found) != len(texts):
        raise OddScoresError
    for scores in found:
        if scores.keys() != classifier.thresholds.keys():
            raise OddScoresError
        if not all(math.isfinite(p) and 0.0 <= p <= 1.0 for p in scores.values()):
            raise OddScoresError
    return found
