"""Stop strings over a stream of text: nothing of a stop string is ever passed on."""

from __future__ import annotations

from collections.abc import Sequence


class StopScanner:
    """Feeds text through until a stop string appears; holds back what may begin one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What of the text so far can be passed on. After a stop: nothing."""
        if self.stopped:
            return ""
        self._held += text
        cuts = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if cuts:
            self.stopped = True
            return self._release(min(cuts))
        return self._release(len(self._held) - self._overlap())

    def finish(self) -> str:
        """What was held back, when the text has ended without a stop."""
        return "" if self.stopped else self._release(len(self._held))

    def _release(self, end: int) -> str:
        out, self._held = self._held[:end], self._held[end:]
        return out

    def _overlap(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        longest = 0
        for stop in self._stops:
            for size in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:size]):
                    longest = size
                    break
        return longest
