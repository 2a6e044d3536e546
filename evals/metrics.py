"""Figures with their intervals. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `n` with its 95 % interval. With no cases the value is None, not 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "no cases"
        return f"{self.value:.0%} [{self.low:.0%}, {self.high:.0%}] n={self.n}"


def rate(successes: int, n: int) -> Rate:
    """Wilson score interval (Wilson, JASA 1927)."""
    if n == 0:
        return Rate(None, None, None, 0)
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no rate")
    share = successes / n
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    middle = share + Z95**2 / (2 * n)
    scale = 1 + Z95**2 / n
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return Rate(share, max(0.0, low), min(1.0, high), n)


def contains_answer(text: str, answers: tuple[str, ...]) -> bool:
    """True if any accepted answer stands in the text, case and spacing aside."""
    said = " ".join(text.casefold().split())
    return any(" ".join(answer.casefold().split()) in said for answer in answers)
