"""An answer against its sources, token by token: LettuceDetect. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.checkers.claims import Scored
from rag.checkers.pairs import LEAST_ROOM, Pair, sizes
from rag.checkers.templates import lettucedetect
from rag.checkers.windows import View, views, whole, windows
from rag.grounding import Evidence

# Tokens of "passage 12: " and the line's end.
NUMBERED = 8


@dataclass(frozen=True, slots=True)
class Risk:
    """How likely the answer's characters `start:end`, a token, are made up."""

    start: int
    end: int
    probability: float


class SpanModel(Protocol):
    """Reads (prompt, answer). `lengths` are tokens of the whole input, of which `limit` fit."""

    @property
    def limit(self) -> int: ...

    def lengths(self, pairs: Sequence[Pair]) -> list[int]: ...

    def risks(self, pairs: Sequence[Pair]) -> list[list[Risk]]:
        """The answer's tokens, of each pair."""
        ...


class SpanScorer:
    """1 less the likeliest made-up token of a claim, in the window that supports it best.

    The claims of an answer are read together, as the model learnt it, while they take up to half
    of what it reads.
    """

    def __init__(self, model: SpanModel) -> None:
        self._model = model

    def score(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        """One Scored a claim; one that leaves no room for a source fails."""
        taken, most = sizes(self._model.lengths, claims), self._model.limit // 2
        found = [Scored(None, failed=f"it takes over {most} tokens") for _ in claims]
        fit = [index for index, size in enumerate(taken) if size <= most]
        for run in windows([taken[index] for index in fit], most, shared=0):
            mine = [fit[place] for place in run]
            scored = self._run([claims[index] for index in mine], evidence, question)
            for index, one in zip(mine, scored, strict=True):
                found[index] = one
        return found

    def _run(
        self, claims: Sequence[str], evidence: Sequence[Evidence], question: str
    ) -> list[Scored]:
        answer = " ".join(claims)
        seen = self._views(answer, evidence, question)
        if not seen:
            failed = f"question and answer do not fit into {self._model.limit} tokens"
            return [Scored(None, failed=failed) for _ in claims]
        risks = self._model.risks([(lettucedetect(v.passages, question), answer) for v in seen])
        scored, start = [], 0
        for claim in claims:
            end = start + len(claim)
            scored.append(_best(seen, [_worst(row, start, end) for row in risks]))
            start = end + 1
        return scored

    def _views(self, answer: str, evidence: Sequence[Evidence], question: str) -> list[View]:
        """What is read for an answer; nothing where it leaves no room."""
        if not self._over([whole(evidence)], answer, question):
            return [whole(evidence)]
        frame = self._model.lengths([(lettucedetect((), question), answer)])[0]
        room = self._model.limit - frame
        if room < LEAST_ROOM + NUMBERED:
            return []
        found = views(evidence, self._numbered, room)
        return [] if self._over(found, answer, question) else found

    def _over(self, seen: Sequence[View], answer: str, question: str) -> bool:
        pairs = [(lettucedetect(view.passages, question), answer) for view in seen]
        return max(self._model.lengths(pairs)) > self._model.limit

    def _numbered(self, texts: Sequence[str]) -> list[int]:
        """Sizes as if each began a passage."""
        return [size + NUMBERED for size in sizes(self._model.lengths, texts)]


def _worst(risks: Sequence[Risk], start: int, end: int) -> float | None:
    """The greatest probability in a span; None where it has no token."""
    inside = [risk.probability for risk in risks if risk.start < end and risk.end > start]
    return max(inside, default=None)


def _best(seen: Sequence[View], worst: Sequence[float | None]) -> Scored:
    known = [(value, place) for place, value in enumerate(worst) if value is not None]
    if not known:
        return Scored(None, failed="the model sees no token in it")
    risk, place = min(known)
    return Scored(1.0 - risk, seen[place].units)
