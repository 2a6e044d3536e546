"""Answers of the budget's bench, and the journal that keeps them: it may be stopped and gone on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from evals.types import Case


@dataclass(frozen=True, slots=True)
class Reply:
    """One prompt's answer. `first_s`: seconds from the prompt to the first token."""

    text: str
    tokens: int
    first_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One question put both ways. `reading_s`: seconds to guard, cut, value and pack.

    `setting` names the model and both sizes.
    """

    case: Case
    sentences: Reply
    whole: Reply
    reading_s: float
    setting: str


def keep(asked: Asked, journal: Path) -> None:
    """Add one question to the journal."""
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(asked)) + "\n")


def kept(journal: Path | None, setting: str) -> dict[str, Asked]:
    """What a journal holds under a setting, by case."""
    if journal is None or not journal.exists():
        return {}
    rows = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return {
        row["case"]["id"]: Asked(
            Case(**row["case"]),
            Reply(**row["sentences"]),
            Reply(**row["whole"]),
            row["reading_s"],
            row["setting"],
        )
        for row in rows
        if row["setting"] == setting
    }
