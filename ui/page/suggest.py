"""What could be asked next: questions that the documents found are sure to have words on.

They are made without the model, from headings and titles of what was retrieved and not cited, and
each is searched for: only one that leads back to its own section is offered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from rag.safety.left_out import HIDDEN
from rag.types import Answer, Passage
from ui.page.sources import cited

MOST = 3
BUDGET_S = 0.3
"""No further candidate is searched for after this."""
_TRIED = 8
_SHORTEST, _LONGEST = 4, 60
_NUMBER = re.compile(
    r"\A(?:\d{1,3}(?:[.)]\d{1,3}){0,4}[.)]|\d{1,3}(?:\.\d{1,3}){1,4}|[A-Z][.)])\s+"
)
# Headings that say nothing of what stands below them.
_EMPTY = frozenset(
    {"introduction", "overview", "contents", "summary", "appendix", "general", "index"}
)

Find = Callable[[str], Sequence[Passage]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question, and the document and heading that it should lead to ("" for any heading)."""

    question: str
    document: str
    heading: str


def suggestions(answer: Answer, asked: Collection[str], find: Find) -> tuple[str, ...]:
    """At most three questions for this answer. `find` searches for the same reader.

    Those in `asked` were asked already.
    """
    end = time.monotonic() + BUDGET_S
    known = {_plain(question) for question in asked}
    kept: list[Candidate] = []
    for candidate in list(candidates(answer))[:_TRIED]:
        if len(kept) == MOST or time.monotonic() > end:
            break
        if _plain(candidate.question) not in known and leads_back(
            candidate, find(candidate.question)
        ):
            kept.append(candidate)
    return tuple(candidate.question for candidate in kept)


def leads_back(candidate: Candidate, found: Sequence[Passage]) -> bool:
    """Whether the first of the passages found is the section that the question was made from."""
    if not found or found[0].document != candidate.document:
        return False
    return not candidate.heading or candidate.heading in found[0].headings


def candidates(answer: Answer) -> Iterator[Candidate]:
    """Questions on sections that were found and not cited, the nearest first, each once. Pure."""
    seen: set[tuple[str, str]] = set()
    for passage in answer.passages:
        if passage.title == HIDDEN or not passage.title or cited(passage, answer):
            continue
        heading = passage.headings[-1] if passage.headings else ""
        if heading in (passage.title, HIDDEN):
            heading = ""
        place, asked = (passage.document, heading), _question(heading, passage.title)
        if asked and place not in seen:
            seen.add(place)
            yield Candidate(asked, passage.document, heading)


def _question(heading: str, title: str) -> str:
    """A question on a section; "" where its names make none."""
    name, topic = " ".join(title.split()), _NUMBER.sub("", " ".join(heading.split()), count=1)
    if not _SHORTEST <= len(name) <= _LONGEST or "•" in name + topic:
        return ""
    if not topic:
        return f"What does “{name}” say?"
    if not _SHORTEST <= len(topic) <= _LONGEST or topic.casefold() in _EMPTY:
        return ""
    return topic if topic.endswith("?") else f"What does “{name}” say about “{topic}”?"


def _plain(question: str) -> str:
    return " ".join(question.casefold().split())
