"""Events that anybody can cause are noted once in a while, with their number."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Damper:
    """Holds back all but one event in `seconds`. `now` is a clock in seconds, never set back."""

    def __init__(self, seconds: float = 1.0, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._next = now()
        self._held = 0
        self._lock = Lock()

    def met(self) -> int:
        """One more event. How many it stands for, with those held back before it; 0: held back."""
        with self._lock:
            now = self._now()
            self._held += 1
            if now < self._next:
                return 0
            self._next = now + self._seconds
            stands_for, self._held = self._held, 0
            return stands_for
