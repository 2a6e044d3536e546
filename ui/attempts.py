"""Attempts to sign in, slowed where they fail: by name and by address."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

FREE = 4
LONGEST_S = 60.0
FORGOTTEN_S = 900.0
MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Past:
    """`count` attempts without success, the last at `at`."""

    count: int
    at: float

    @property
    def until(self) -> float:
        """From when on the next is allowed."""
        late = self.count - FREE
        return self.at + (min(LONGEST_S, 2.0 ** min(late, 10)) if late >= 0 else 0.0)


class Attempts:
    """Shared by all sessions. `now` is a clock in seconds, never set back.

    The wait doubles from the fourth failure on, to a minute at most, so that nobody is shut out for
    long by what another does. A quarter of an hour without an attempt forgets them.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._past: OrderedDict[str, _Past] = OrderedDict()
        self._lock = Lock()

    def begin(self, *keys: str) -> float:
        """Seconds to wait before an attempt on these keys; 0: go on, it counts as a failure now.

        It counts before it is judged, so that many at once are not free.
        """
        with self._lock:
            now = self._now()
            kept = [self._kept(key, now) for key in keys]
            wait = max((past.until - now for past in kept if past), default=0.0)
            if wait > 0:
                return wait
            for key, past in zip(keys, kept, strict=True):
                self._past[key] = _Past((past.count if past else 0) + 1, now)
                self._past.move_to_end(key)
            while len(self._past) > MOST:
                self._past.popitem(last=False)
            return 0.0

    def succeeded(self, *keys: str) -> None:
        """What these keys did before is forgiven."""
        with self._lock:
            for key in keys:
                self._past.pop(key, None)

    def _kept(self, key: str, now: float) -> _Past | None:
        past = self._past.get(key)
        return past if past and now - past.at < FORGOTTEN_S else None
