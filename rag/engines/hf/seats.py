"""Who sits where in a cache of many rows, and how many rows fit. Pure: no tensor here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.engines.anchor import shared


@dataclass(slots=True)
class Seat:
    """One row of the cache: the tokens whose keys and values it holds.

    `anchor` counts the first of them that were read by themselves (see `rag.engines.anchor`);
    `used` says when it was last taken.
    """

    ids: list[int] = field(default_factory=list)
    anchor: int = 0
    taken: bool = False
    used: int = 0

    def keep(self, tokens: int) -> None:
        """Only the first `tokens` tokens stay."""
        del self.ids[tokens:]
        if tokens < self.anchor:
            self.anchor = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Sit at `seat` with `tokens` tokens known, copied from `donor` where that is another seat."""

    seat: int
    donor: int
    tokens: int


def choose(seats: Sequence[Seat], prompt: Sequence[int]) -> Choice:
    """The free seat for a prompt, keeping what some seat knows of its beginning.

    A free seat that knows it is taken itself, unless most of what it holds would be lost; then
    the beginning is copied to the one that was used longest ago. At least one seat must be free.
    """
    known = [shared(seat.ids, prompt) for seat in seats]
    free = [index for index, seat in enumerate(seats) if not seat.taken]
    donor = max(range(len(seats)), key=lambda index: (known[index], not seats[index].taken))
    tokens = known[donor]
    if not seats[donor].taken and (len(free) == 1 or 2 * tokens >= len(seats[donor].ids)):
        return Choice(donor, donor, tokens)
    others = [index for index in free if index != donor]
    oldest = min(others, key=lambda index: (seats[index].used, index))
    if known[oldest] == tokens:
        return Choice(oldest, oldest, tokens)
    return Choice(oldest, donor, tokens)


def rows_for(wanted: int, window: int, free_bytes: int, token_bytes: int, margin: float) -> int:
    """How many rows of a whole window fit into free memory, a share `margin` left over; at least 1.

    `token_bytes` are what one token's keys and values take, all layers together.
    """
    fit = int(free_bytes * (1.0 - margin)) // max(1, window * token_bytes)
    return max(1, min(wanted, fit))
