"""One go of the model at an answer: its prompt, its words, and what has passed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rag.claims import content_words
from rag.engines.lineage import Start
from rag.prompt import (
    ASK,
    LEAST_PASSAGE_TOKENS,
    Budget,
    Counter,
    Packed,
    Unit,
    compose,
    fit_units,
    remembered,
    worded,
)
from rag.types import Passage, Shown, Token

# Asked when a claim of the first answer did not pass: a small model copies more truly than it puts
# things in its own words.
AGAIN = ASK + (
    "\n\nAnswer with the sentence or two of the passages that answer this, copied word for word, "
    "and nothing else. If none does, reply exactly: I don't know."
)
MOST_UNITS = 6

OnceMore = Callable[[Sequence[str]], Packed | None]
"""The prompt for a second go, from the claims that passed in the first; None if there is none."""


@dataclass(slots=True)
class Attempt:
    """What has come of a prompt so far.

    `waiting` is framing that waits for a claim to frame, `held` what passed and is not shown yet.
    """

    packed: Packed | None = None
    tokens: list[Token] = field(default_factory=list)
    start: Start | None = None
    waiting: list[Shown] = field(default_factory=list)
    held: list[Shown] = field(default_factory=list)
    claims: int = 0
    refused: bool = False
    failed: bool = False

    @property
    def ended(self) -> bool:
        """True when what the model says next can't matter."""
        return self.refused or self.failed

    def passed(self, shown: Shown) -> None:
        """A claim passed, and with it the framing before it."""
        self.claims += 1
        self.held += [*self.waiting, shown]
        self.waiting.clear()

    def released(self) -> list[Shown]:
        """What is held, which from now on is shown."""
        released, self.held = self.held, []
        return released


def pack_again(
    question: str,
    claims: Sequence[str],
    passages: Sequence[Passage],
    units: Sequence[Unit],
    budget: Budget,
    count: Counter,
    system: str,
) -> Packed | None:
    """The prompt for a second go, from the evidence alone; None where it does not fit.

    `units` are the sentences of the first prompt, so that nothing which is left out here went
    unread; those stay that are worth most for the question and the `claims` that passed.
    """
    count = remembered(count, system)
    bare = count(compose(question, (), passages, (), AGAIN))
    target = min(budget.limit, max(budget.target, bare + LEAST_PASSAGE_TOKENS))
    best = best_units(units, claims, budget.floor)
    kept = fit_units(question, (), passages, best, target, count, AGAIN)
    if not kept:
        return None
    messages = compose(question, (), passages, kept, AGAIN)
    return Packed(
        messages=worded(messages, system),
        check=(),
        tokens=count(messages),
        units=kept,
        dropped=(),
    )


def best_units(units: Sequence[Unit], claims: Sequence[str], floor: float) -> list[Unit]:
    """The best six at most, in their order: by their value and the share of a claim in them."""
    said = [content_words(claim) for claim in claims]
    worth = [unit.value + _share(said, content_words(unit.text)) for unit in units]
    least = floor * max(worth, default=0.0)
    order = sorted(range(len(units)), key=lambda index: (-worth[index], index))[:MOST_UNITS]
    return [units[index] for index in sorted(order) if worth[index] >= least]


def _share(said: Sequence[frozenset[str]], words: frozenset[str]) -> float:
    return max((len(claim & words) / len(claim) for claim in said if claim), default=0.0)
