"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.errors import SurefootError

if TYPE_CHECKING:
    from ingest.conditions import Where

STOPPED = 130

KbOption = Annotated[
    Path, typer.Option("--kb", envvar="SUREFOOT_KB", help="The knowledge base's folder.")
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", help="An access group; repeat for more than one."),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        help="Only what this holds of: KEY=VALUE, or 'KEY>=VALUE', 'KEY<=VALUE' with a date or"
        " number; the keys are in `kb info`. Repeat for 'and'.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A catalogue name, a .gguf file, a folder, a hub name."),
]


class Stopped(SurefootError):
    """Ctrl-C in a job that goes on when its command is given again."""

    exit_code = STOPPED


def conditions(texts: Sequence[str] | None) -> Where:
    """What `--where` says. Raises SurefootError for what says nothing."""
    from ingest.conditions import Condition

    found = []
    for text in texts or ():
        condition = Condition.parse(text)
        if condition is None:
            problem = "is neither KEY=VALUE nor KEY>=VALUE or KEY<=VALUE with a date or number"
            raise SurefootError(f"--where {text!r} {problem}")
        found.append(condition)
    return tuple(found)
