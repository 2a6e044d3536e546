"""What a suite is: how its cases look, what is under test, how an outcome scores, what is printed.

A suite loads nothing until `open`; `pins` are read from files, so that a finished run is reported
again without a model. `check` raises ValueError with what is wrong with a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evals.metrics import Metric, Table
from evals.types import Case, Outcome, Pins, Score, Subject
from rag.config import Config

# Scores beside [0, 1] for cases that failed: below every other, above every other.
BELOW, ABOVE = -1.0, 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose about the thing under test. `groups` are what it may see."""

    config: Config = field(default_factory=Config)
    kb: Path | None = None
    groups: frozenset[str] = frozenset()


class Suite(Protocol):
    """One kind of evaluation. `fields` are its own; `batch` cases are given to the subject at once.

    The first of `metrics` is the one that a live progress line shows.
    """

    @property
    def name(self) -> str: ...

    @property
    def fields(self) -> tuple[str, ...]: ...

    @property
    def batch(self) -> int: ...

    def check(self, row: Mapping[str, Any]) -> None: ...

    def pins(self, options: Options) -> Pins: ...

    def open(self, options: Options) -> Subject: ...

    def score(self, case: Case, outcome: Outcome) -> Score: ...

    def metrics(self, table: Table) -> Sequence[Metric]: ...


def scored(case: Case, values: Mapping[str, float | None]) -> Score:
    return Score(case.id, case.cluster, "scored", values)


def unscored(case: Case, outcome: Outcome, values: Mapping[str, float | None]) -> Score:
    """The score of a failed case: `values` are those that count against the subject."""
    return Score(case.id, case.cluster, "unscored", values, outcome.reason)


def require_text(row: Mapping[str, Any], *names: str) -> None:
    """Raises ValueError unless each field is a text that can be encoded."""
    for name in names:
        value = row.get(name)
        if not isinstance(value, str):
            raise ValueError(f"field {name!r} is {_kind(value)}, not a text")


def require_flag(row: Mapping[str, Any], name: str) -> None:
    value = row.get(name)
    if not isinstance(value, bool) and value not in (0, 1):
        raise ValueError(f"field {name!r} is {_kind(value)}, not true or false")


def require_texts(row: Mapping[str, Any], name: str) -> None:
    value = row.get(name)
    if not isinstance(value, list):
        raise ValueError(f"field {name!r} is {_kind(value)}, not a list of texts")
    for item in value:
        if not isinstance(item, str):
            raise ValueError(f"field {name!r} holds {item!r}, which is not a text")


def require_spans(row: Mapping[str, Any], name: str, text: str, labelled: bool) -> None:
    """Raises ValueError unless it is a list of [start, end] or [start, end, label] in `text`."""
    value = row.get(name)
    if not isinstance(value, list):
        raise ValueError(f"field {name!r} is {_kind(value)}, not a list of spans")
    size = 3 if labelled else 2
    for span in value:
        sound = isinstance(span, list) and len(span) == size
        if not sound or not all(type(place) is int for place in span[:2]):
            raise ValueError(f"{name!r} holds {span!r}, not [start, end{', label' * labelled}]")
        if labelled and not isinstance(span[2], str):
            raise ValueError(f"{name!r} holds {span!r}, whose label is not a text")
        if not 0 <= span[0] < span[1] <= len(text):
            raise ValueError(f"{name!r} holds {span!r}, outside the text of {len(text)} characters")


_KINDS = {
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _kind(value: Any) -> str:
    return "missing" if value is None else _KINDS[type(value)]
