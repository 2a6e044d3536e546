"""When to ask a server again, and how long to wait before. Pure.

Full jitter: waiting times are drawn evenly below a bound that doubles, so that clients that failed
together do not come back together. (Brooker, Exponential Backoff And Jitter, 2015.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

LATER = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `attempts` in all. Waits are seconds: up to `first`, doubling, never over `longest`.

    A server that asks for more than `patience` is not waited for.
    """

    attempts: int = 4
    first: float = 0.5
    longest: float = 8.0
    patience: float = 30.0

    def wait(
        self, attempt: int, hint: float | None, draw: Callable[[float, float], float]
    ) -> float | None:
        """Seconds until the next attempt after number `attempt` (from 1), None to give up.

        `hint` is what the server asked for; `draw` draws between two numbers.
        """
        if attempt >= self.attempts or (hint is not None and hint > self.patience):
            return None
        jitter = draw(0.0, min(self.longest, self.first * 2.0 ** (attempt - 1)))
        return (hint or 0.0) + jitter


def passes(status: int) -> bool:
    """True if a request that got this HTTP status may do better later."""
    return status in LATER or status >= 500


def asked_wait(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for; None if there is none, or it says nothing.

    It holds seconds or a date (RFC 9110, 10.2.3). `now` bears a time zone.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - now).total_seconds())
