"""The language of conditions: one for searching, listing and forgetting. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from ingest.dates import own_date
from ingest.metadata import iso_date

Sign = Literal["=", ">=", "<="]

DOCUMENT_KEYS = ("document", "path", "title", "group")
PASSAGE_KEYS = ("page", "heading")
# Readers write several authors or keywords one after the other.
_LISTED = ("author", "keywords")
_BETWEEN = re.compile(r"[,;]\s+")
_CONDITION = re.compile(r"\s*([^=<>\s](?:[^=<>]*[^=<>\s])?)\s*(>=|<=|=)\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d(?:$|[T ])")
_DAY = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` is `document`, `path` (itself or a folder above), `title`, `group`, or metadata.

    In a search also `page`, and `heading` (any above the passage). One of several authors or
    keywords is enough. `>=` and `<=` compare numbers, or dates to the precision that `value` has:
    a year, a month, a day as the document writes it, or a moment.
    """

    key: str
    value: str
    sign: Sign = "="

    @classmethod
    def parse(cls, text: str) -> Condition | None:
        """KEY=VALUE, or KEY>=VALUE and KEY<=VALUE with a number or date; None for anything else."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            return None
        key, sign, value = match.groups()
        ordered = _NUMBER.fullmatch(value) or own_date({"date": value})
        if sign != "=" and (key in (*DOCUMENT_KEYS, "heading") or not ordered):
            return None
        return cls(key, value, cast(Sign, sign))

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{self.value}"

    @property
    def of_passage(self) -> bool:
        """Whether it can differ between the passages of a document."""
        return self.key in PASSAGE_KEYS

    def meets(self, found: str) -> bool:
        """Whether it holds of this value."""
        if self.sign == "=":
            parts = _BETWEEN.split(found) if self.key in _LISTED else ()
            return found == self.value or self.value in parts
        sides = _sides(found, self.value)
        return bool(sides and (sides[0] >= sides[1] if self.sign == ">=" else sides[0] <= sides[1]))


Where = tuple[Condition, ...]


def _sides(found: str, asked: str) -> tuple[Any, Any] | None:
    """Both as numbers, else both as dates; None where they don't compare."""
    if _NUMBER.fullmatch(found) and _NUMBER.fullmatch(asked):
        return float(found), float(asked)
    if _DAY.fullmatch(asked):
        # As it is written; a year or a month alone stands for its first day.
        written = found if _WRITTEN.match(found) else iso_date(found)
        day = written if _WRITTEN.match(written) else own_date({"date": written})
        return (day[:10][: len(asked)], asked) if day else None
    sides = own_date({"date": found}), own_date({"date": asked})
    return sides if all(sides) else None
