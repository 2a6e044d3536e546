"""What a review passes around: an answer as it was shown, what people said of it, what came of it.

A leaf: frozen values, and the one table of which state may follow which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.errors import SurefootError
from rag.types import Answer, Message, Passage

Source = Literal["audit", "thumbs-down", "flag"]
State = Literal["open", "accepted", "corrected", "dismissed", "promoted"]

STATES: tuple[State, ...] = ("open", "accepted", "corrected", "dismissed", "promoted")
# The later one wins where an answer is reported more than once.
SOURCES: tuple[Source, ...] = ("audit", "thumbs-down", "flag")
FOLLOWS: Mapping[State, tuple[State, ...]] = {
    "open": ("accepted", "corrected", "dismissed"),
    "accepted": ("open", "promoted"),
    "corrected": ("open", "promoted"),
    "dismissed": ("open",),
    "promoted": (),
}
LABELS = (
    "wrong",
    "unsupported",
    "should-abstain",
    "should-answer",
    "unsafe",
    "personal-data",
    "wrong-citation",
    "tone",
)


class ReviewError(SurefootError):
    """A queue or a decision that can't be used. `problem` is one line."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"review: {problem}")


class ReviewConflict(ReviewError):
    """Someone else has changed the item since it was read. `item` is its number."""

    def __init__(self, item: int, state: State, by: str) -> None:
        self.item = item
        self.state = state
        self.by = by
        who = f" by {by}" if by else ""
        super().__init__(f"item {item} has changed since you opened it; it is {state} now{who}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer as shown. `earlier` are the passages that `history` rests on."""

    question: str
    answer: Answer
    history: tuple[Message, ...] = ()
    earlier: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """An answer in the queue. `version` counts its changes: a decision names the one it saw.

    `needs` are (document, groups) of all that the answer and its history rest on. `answers` are
    what should have been said: () for "the documents don't say", None while nobody has decided.
    Times are ISO 8601, UTC.
    """

    id: int
    uid: str
    created: str
    source: Source
    reason: str
    question: str
    history: tuple[Message, ...]
    answer: Answer
    needs: tuple[tuple[str, frozenset[str]], ...]
    state: State
    version: int
    reviewer: str
    note: str
    labels: tuple[str, ...]
    answers: tuple[str, ...] | None
    relevant: tuple[str, ...]
    reviewed_at: str
    promoted_to: str

    @property
    def cited(self) -> tuple[str, ...]:
        """Documents that the answer cites, in the order in which it does."""
        found = (c.document for sentence in self.answer.sentences for c in sentence.citations)
        return tuple(dict.fromkeys(found))

    @property
    def documents(self) -> Mapping[str, str]:
        """Documents of the answer's passages with their titles, best first."""
        return {item.document: item.title or item.path for item in reversed(self.answer.passages)}

    def may_follow(self, state: State) -> bool:
        return state in FOLLOWS[self.state]

    def visible_to(self, groups: frozenset[str]) -> bool:
        """True if someone of these groups may see every document that it rests on."""
        return all(not wanted or wanted & groups for _, wanted in self.needs)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of an item's history."""

    at: str
    who: str
    before: str
    after: str
    note: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over the queue. `audited` is by state, for items that came from sampling alone."""

    states: Mapping[State, int]
    sources: Mapping[str, int]
    labels: Mapping[str, int]
    audited: Mapping[str, int]
    thumbs_up: int
    answers: int

    @property
    def total(self) -> int:
        return sum(self.states.values())


def clean_words(text: str) -> str:
    """What a person typed, on its way to disk: no half characters, no blanks around it."""
    return text.encode("utf-8", "replace").decode().strip()


def clean_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels as small words joined by hyphens, each once. Raises ReviewError for an odd one."""
    found = dict.fromkeys("-".join(clean_words(label).lower().split()) for label in labels)
    for label in found:
        if not label or len(label) > 40 or "," in label or not label.isprintable():
            raise ReviewError(f"{label!r} is no label; one to 40 letters, without commas")
    return tuple(found)


def clean_name(name: str) -> str:
    """Who decides. Raises ReviewError if that is nobody."""
    who = " ".join(clean_words(name).split())
    if not who or len(who) > 100:
        raise ReviewError("a decision needs a reviewer's name, of up to 100 characters")
    return who


def beside(kb: Path) -> Path:
    """Where the queue of a knowledge base lies."""
    return kb / "review.db"
