"""A claim against its sources, as a pair of texts: NLI, MiniCheck, HHEM. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from rag.checkers.claims import Scored
from rag.checkers.windows import View, views, whole
from rag.grounding import Evidence

Pair = tuple[str, str]

# Tokens that joining two pieces may add.
JOINT = 1
LEAST_ROOM = 16


def sizes(lengths: Callable[[Sequence[Pair]], list[int]], texts: Sequence[str]) -> list[int]:
    """Tokens that each text adds to a model's input, of which `lengths` gives the whole."""
    bare, *found = lengths([("", ""), *((text, "") for text in texts)])
    return [length - bare + JOINT for length in found]


class PairModel(Protocol):
    """Reads (premise, claim). `lengths` are tokens of the whole input, of which `limit` fit."""

    @property
    def limit(self) -> int: ...

    def lengths(self, pairs: Sequence[Pair]) -> list[int]: ...

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """Probabilities that the premise supports the claim."""
        ...


class PairScorer:
    """The greatest probability over windows of the source.

    With `singles`, each unit is read alone as well: models of sentence pairs do best on sentences
    (Laban et al., SummaC, 2022).
    """

    def __init__(self, model: PairModel, singles: bool = False) -> None:
        self._model = model
        self._singles = singles

    def score(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        """One Scored a claim; one that leaves no room for a source fails."""
        del question
        read = [self._views(claim, evidence) for claim in claims]
        pairs = [(v.text, claim) for claim, seen in zip(claims, read, strict=True) for v in seen]
        scores = iter(self._model.scores(pairs))
        return [self._best(seen, [next(scores) for _ in seen]) for seen in read]

    def _views(self, claim: str, evidence: Sequence[Evidence]) -> list[View]:
        """What is read for a claim; nothing where it leaves no room."""
        everything = whole(evidence)
        found = [everything]
        if self._over([everything], claim):
            room = self._model.limit - self._model.lengths([("", claim)])[0]
            if room < LEAST_ROOM:
                return []
            found = views(evidence, partial(sizes, self._model.lengths), room)
        if self._singles and len(evidence) > 1:
            alone = [View((piece,)) for view in found for piece in view.pieces]
            found += [view for view in dict.fromkeys(alone) if view not in found]
        return [] if self._over(found, claim) else found

    def _over(self, seen: Sequence[View], claim: str) -> bool:
        lengths = self._model.lengths([(view.text, claim) for view in seen])
        return max(lengths) > self._model.limit

    def _best(self, seen: Sequence[View], scores: Sequence[float]) -> Scored:
        if not seen:
            return Scored(None, failed=f"it does not fit into {self._model.limit} tokens")
        best = max(range(len(seen)), key=scores.__getitem__)
        return Scored(scores[best], seen[best].units)
