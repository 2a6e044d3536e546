"""One row, one shape of personal data: label, pattern, score, check, context.

A row with `context` counts fully only where its words stand shortly before or after the match
(`bare` is its score without them, 0 drops it): most numbers are nobody's. The group `v`, where a
pattern has one, is the span to report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Need = Literal["", "digit", "digits", "at", "dashes", "secret"]

_BEFORE, _AFTER = 64, 24
_NEEDS: Mapping[Need, re.Pattern[str]] = {
    "digit": re.compile(r"\d"),
    "at": re.compile(r"@|(?i:\bat\b)"),
    "digits": re.compile(r"\d(?:\D{0,40}\d){5}"),
    "dashes": re.compile(r"-----"),
    "secret": re.compile(r"(?i)key|token|secret|bearer|pass|pwd|\bpin\b"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`needs` names something without which no text can match: most texts are told by that.

    "digit" is one of them, "digits" are six.
    """

    label: str
    pattern: re.Pattern[str]
    score: float
    check: Callable[[str], bool] | None = None
    context: re.Pattern[str] | None = None
    bare: float = 0.0
    needs: Need = "digit"

    def find(self, text: str) -> Iterator[tuple[int, int, float]]:
        """(start, end, score) of every match that its check and context support."""
        for match in self.pattern.finditer(text):
            group = "v" if "v" in self.pattern.groupindex else 0
            start, end = match.span(group)
            if self.check is not None and not self.check(match[group]):
                continue
            score = self.score if self._supported(text, start, end) else self.bare
            if score > 0:
                yield start, end, score

    def _supported(self, text: str, start: int, end: int) -> bool:
        if self.context is None:
            return True
        around = text[max(0, start - _BEFORE) : start] + " \x00 " + text[end : end + _AFTER]
        return self.context.search(around) is not None


def row(
    label: str,
    pattern: str,
    score: float,
    check: Callable[[str], bool] | None = None,
    context: str = "",
    bare: float = 0.0,
    needs: Need = "digit",
) -> Row:
    """A row from plain strings; the context is a pattern of whole words, any case."""
    words = re.compile(rf"(?i)(?<![A-Za-z])(?:{context})(?![A-Za-z])") if context else None
    return Row(label, re.compile(pattern), score, check, words, bare, needs)


def needs_met(text: str) -> frozenset[Need]:
    """What of the needs of rows stands in a text."""
    return frozenset({"", *(need for need, sign in _NEEDS.items() if sign.search(text))})
