"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest.errors import SurefootError

STOPPED = 130

KbOption = Annotated[
    Path, typer.Option("--kb", envvar="SUREFOOT_KB", help="The knowledge base's folder.")
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", help="An access group; repeat for more than one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A catalogue name, a .gguf file, a folder, a hub name."),
]


class Stopped(SurefootError):
    """Ctrl-C in a job that goes on when its command is given again."""

    exit_code = STOPPED
