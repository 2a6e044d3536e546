"""Regular expressions that a user wrote: bounded in time, since one can be made to run for days.

Each is tried on hostile texts when it is read, and every later search has a time limit too.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex  # type: ignore[import-untyped]

MOST_CHARACTERS = 300
# A search of 10,000 characters takes a few milliseconds where a pattern is harmless.
_TRIAL_SECONDS = 0.5
_SEARCH_SECONDS = 1.0
# Behind the repeats stands what a pattern may need: without it, a search gives up at once.
_TAIL = "!\"#$%&'()*+,-/:;=>?[]^_`{|}~xyz"
_HOSTILE = tuple(
    (unit * 10_000)[:10_000] + _TAIL
    for unit in ("a", "1", " ", "<", ".", "@", "a1", "a ", "1-", "A.a@")
)


class BadPattern(ValueError):
    """A pattern that cannot be used; the message says why."""


class BoundedPattern:
    """A pattern whose every search ends. Raises BadPattern for one that can't be used.

    Searches raise TimeoutError where the pattern takes too long.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MOST_CHARACTERS:
            raise BadPattern(f"has {len(pattern)} characters; {MOST_CHARACTERS} are the most")
        try:
            self._compiled = regex.compile(pattern)
        except regex.error as error:
            raise BadPattern(f"is no regular expression ({error})") from error
        if self._compiled.fullmatch(""):
            raise BadPattern("fits an empty text, so it would be found everywhere")
        if self._is_slow():
            raise BadPattern("is too slow: with nested or neighbouring repeats it can run for days")

    def fits(self, text: str) -> bool:
        """True if the whole text matches."""
        return self._compiled.fullmatch(text, timeout=_SEARCH_SECONDS) is not None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of every match."""
        for match in self._compiled.finditer(text, timeout=_SEARCH_SECONDS):
            if match.end() > match.start():
                yield match.span()

    def _is_slow(self) -> bool:
        try:
            for text in _HOSTILE:
                self._compiled.fullmatch(text, timeout=_TRIAL_SECONDS)
                for _ in self._compiled.finditer(text, timeout=_TRIAL_SECONDS):
                    pass
        except TimeoutError:
            return True
        return False
