"""Moderation: linear heads over each sentence, for OpenAI's eight categories.

The heads were trained by `evals.train.moderation`; `weights/moderation.md` is their card. A text is
read sentence by sentence, and in a question also as a whole in overlapping windows, since harm may
lie in how sentences follow each other. The highest score counts and nothing is cut off. HARM is
"any of the categories"; ILLICIT is a request for help with wrongdoing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rag.safety.floors import NO_FLOORS, Floors, reported_from
from rag.safety.heads import Embed, Heads
from rag.safety.units import Unit, sentences, windows
from rag.types import Finding, Stage

ANY = "HARM"
# Requests for help with wrongdoing are no category of harm in a text itself.
_APART = frozenset({ANY, "ILLICIT"})


class ModerationFilter:
    """Finds harmful sentences. `embed` gives unit vectors of shape (n, dimension).

    A lower score than a head's own threshold counts where `floors` says so.
    """

    name = "moderation"

    def __init__(self, heads: Heads, embed: Embed, floors: Floors = NO_FLOORS) -> None:
        self._heads = heads
        self._embed = embed
        self._floors = floors

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """One finding for every sentence (in a question: or window) and category over threshold."""
        return self._flag(_units(text, stage), stage)

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Embeds what `find` will need for these texts in one batch."""
        units = [unit.text for text in texts for unit in _units(text, stage)]
        self._embed(self._heads.worth_a_look(units) if _gated(stage) else units)

    def scores(self, text: str) -> Mapping[str, float]:
        """The highest probability of every category over the text's windows, nothing skipped."""
        units = windows(text, sentences(text))
        if not units:
            return dict.fromkeys(self._heads.labels, 0.0)
        best = self._scored(units, gated=False).max(axis=0)
        return {label: float(p) for label, p in zip(self._heads.labels, best, strict=True)}

    def likelihoods(self, text: str) -> Mapping[str, float]:
        """How likely the text as a whole is of each category, to rank texts by.

        The mean of the highest score and that of the text in one piece, as far as the embedder
        reads: a harsh sentence says less where all else is mild.
        """
        highest = self.scores(text)
        whole = self._scored([Unit(0, len(text), text)], gated=False)[0]
        pairs = zip(highest.items(), whole, strict=True)
        return {label: (score + float(p)) / 2 for (label, score), p in pairs}

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The probability from which each category counts as found."""
        values = map(float, self._heads.thresholds)
        return dict(zip(self._heads.labels, values, strict=True))

    def _flag(self, units: list[Unit], stage: Stage) -> list[Finding]:
        if not units:
            return []
        scores = self._scored(units, _gated(stage))
        cut = {
            label: reported_from(own, self._floors, stage, label)
            for label, own in self.thresholds.items()
        }
        return [
            Finding(stage, label, unit.start, unit.end, float(row[i]), self.name)
            for unit, row in zip(units, scores, strict=True)
            for i, label in enumerate(self._heads.labels)
            if row[i] >= cut[label]
        ]

    def _scored(self, units: list[Unit], gated: bool) -> npt.NDArray[np.floating]:
        raw = self._heads.score([unit.text for unit in units], self._embed, gated)
        return combine(raw, self._heads.labels)


def _gated(stage: Stage) -> bool:
    """Whether n-grams may say that a text isn't worth a look. A question always is."""
    return stage != "question"


def _units(text: str, stage: Stage) -> list[Unit]:
    units = sentences(text)
    return windows(text, units) if stage == "question" else units


def combine(scores: npt.NDArray[np.floating], labels: Sequence[str]) -> npt.NDArray[np.floating]:
    """Scores (n, C) with ANY's column as the mean of itself and the highest category."""
    combined = scores.copy()
    categories = [i for i, label in enumerate(labels) if label not in _APART]
    column = list(labels).index(ANY)
    combined[:, column] = (scores[:, column] + scores[:, categories].max(axis=1)) / 2
    return combined
