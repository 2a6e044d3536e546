"""Fenced code in a growing text: which line opens it, which ends it, and whether that is certain.

CommonMark's rule for fences at the left margin after an empty line. Renderers differ on all others:
a list item that ends, ends its fence too, and a line of HTML goes on to an empty one. Such a mark
leaves a `doubt` on all that follows; what is let through as code must stand in a fence without one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")
_MARK = re.compile(
    r"(?P<lead>[ \t>]{0,40}(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,4}){0,3})"
    r"(?P<mark>`{3,40}(?!.*`)|~{3,40}(?!~))(?P<rest>.*)"
)
_LONG = re.compile(r"`{41}|~{41}")
_HTML = re.compile(r" {0,3}<(?:[/!?]|[A-Za-z][A-Za-z0-9-]*(?:[\s/>]|$))")


@dataclass(frozen=True, slots=True)
class Fence:
    """The state between two lines: `mark` is what opened the code that goes on, "" outside.

    `clear` after an empty line or the end of other code.
    """

    mark: str = ""
    doubt: bool = False
    clear: bool = True

    @property
    def sure(self) -> bool:
        """True inside code that every renderer takes for code."""
        return bool(self.mark) and not self.doubt

    @property
    def reopened(self) -> str:
        """A text after which the state is this one again."""
        doubt = f"{_DOUBTFUL}{_DOUBTFUL}" if self.doubt else ""
        if self.mark:
            return f"{doubt}{self.mark}\n"
        return doubt if self.clear else f"{doubt}.\n"

    def after(self, text: str, line_start: bool = True) -> Fence:
        """The state after `text`, which begins with a line's start or inside a line."""
        state = self
        for index, match in enumerate(_LINE.finditer(text)):
            if match[0] and (index or line_start):
                state = state._after_line(match[0])
        return state

    def _after_line(self, line: str) -> Fence:
        body = line.rstrip("\r\n")
        match = _MARK.match(body)
        if match is None:
            odd = _LONG.search(body) or (None if self.mark else _HTML.match(body))
            clear = bool(self.mark) or not body.strip()
            return Fence(self.mark, self.doubt or odd is not None, clear)
        whole = len(body) < len(line)
        if not self.mark:
            sure = whole and self.clear and not match["lead"]
            return Fence(match["mark"], self.doubt or not sure)
        if match["mark"].startswith(self.mark) and not match["rest"].strip():
            sure = whole and len(match["lead"]) <= 3 and not match["lead"].strip(" ")
            return Fence("", self.doubt or not sure)
        return self


OUTSIDE = Fence()

_DOUBTFUL = " ```\n"
REOPENED = 2 * len(_DOUBTFUL) + 41
"""The most characters that `Fence.reopened` has."""


def sure_code(text: str) -> list[tuple[int, int]]:
    """Spans of a text, which begins a line, that stand in code for certain; marks are no code."""
    spans: list[tuple[int, int]] = []
    state = OUTSIDE
    for match in _LINE.finditer(text):
        after = state.after(match[0])
        if state.sure and after.mark == state.mark and match[0]:
            spans.append(match.span())
        state = after
    return spans


def opens(line: str) -> bool:
    """True if `line` begins with a fence's mark."""
    return _MARK.match(line) is not None
