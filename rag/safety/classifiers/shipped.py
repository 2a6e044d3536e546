"""The shipped heads as classifiers, for a cascade. Alone they are filters of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rag.safety.injection import InjectionFilter
from rag.safety.labels import INJECTION
from rag.safety.moderation import ModerationFilter
from rag.types import Stage

LINE = 0.5


class ShippedModeration:
    """The moderation heads."""

    identity = "shipped"

    def __init__(self, moderation: ModerationFilter) -> None:
        self._moderation = moderation

    @property
    def thresholds(self) -> Mapping[str, float]:
        return self._moderation.thresholds

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        """What the heads say of each text, without the gate that stands before them."""
        self._moderation.warm(texts, stage)
        return [self._moderation.scores(text) for text in texts]


class ShippedInjection:
    """The rules and the injection heads.

    What they find in a stage is at least as likely as LINE, and what they don't is less, whatever
    their threshold there: so nothing counts as clearly found that they alone would let pass.
    """

    identity = "shipped"
    thresholds: Mapping[str, float] = MappingProxyType({INJECTION: LINE})

    def __init__(self, injection: InjectionFilter) -> None:
        self._injection = injection

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        """How sure rules and head are, whichever is surer."""
        return [{INJECTION: self._sureness(text, stage)} for text in texts]

    def _sureness(self, text: str, stage: Stage) -> float:
        score = self._injection.score(text)
        if self._injection.find(text, stage):
            return max(score, LINE)
        return min(score, math.nextafter(LINE, 0.0))
