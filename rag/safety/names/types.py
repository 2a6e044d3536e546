"""A name in a text, and the one method of whatever finds names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

PERSON, LOCATION, ORGANIZATION, NRP = "PERSON", "LOCATION", "ORGANIZATION", "NRP"
DATE, ADDRESS, AGE, TITLE = "DATE_TIME", "STREET_ADDRESS", "AGE", "TITLE"


@dataclass(frozen=True, slots=True)
class Name:
    """Characters `start:end` of a text, with a score in (0, 1]."""

    start: int
    end: int
    label: str
    score: float


class NameFinder(Protocol):
    """Finds names in several texts at once; `behind` is how much text before helps it."""

    @property
    def behind(self) -> int: ...

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """The names of each text, in order. Raises rather than report nothing."""
        ...
