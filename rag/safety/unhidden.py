"""A filter that also reads what a text hides: see `rag.safety.hidden`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.safety.guard import Forgets, Warms
from rag.safety.hidden import concealed, views
from rag.types import Filter, Finding, Stage


class Unhidden:
    """`inner` over a text and over its views; findings in a view are spans of the raw text.

    Their source says how they were hidden. What the raw text shows already is not told twice. Of
    what a browser does not show, all is found where a part is: nobody misses the rest.
    """

    def __init__(self, inner: Filter) -> None:
        self.name = inner.name
        self._inner = inner

    def find(self, text: str, stage: Stage) -> list[Finding]:
        found = list(self._inner.find(text, stage))
        for view in views(text):
            for finding in self._inner.find(view.text, stage):
                start, end = view.raw(finding.start, finding.end)
                source = f"{finding.source} in {view.kind}"
                moved = replace(finding, start=start, end=end, source=source)
                if not any(_covers(known, moved) for known in found):
                    found.append(moved)
        return [_whole(finding, text) for finding in found]

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Lets the inner filter prepare for the raw texts."""
        if isinstance(self._inner, Warms):
            self._inner.warm(texts, stage)

    def forget(self) -> None:
        """Lets the inner filter drop what it remembers of texts."""
        if isinstance(self._inner, Forgets):
            self._inner.forget()


def _whole(finding: Finding, text: str) -> Finding:
    for start, end in concealed(text):
        if start < finding.end and finding.start < end:
            first, last = min(start, finding.start), max(end, finding.end)
            finding = replace(finding, start=first, end=last)
    return finding


def _covers(known: Finding, other: Finding) -> bool:
    return known.label == other.label and known.start <= other.start and other.end <= known.end
