"""`surefoot replay`: an answer given again from its trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption

if TYPE_CHECKING:
    from rag.replay import Part, Replayed, Replayer
    from rag.traced import Traced

OTHER = 4


def replay(
    trace: Annotated[
        str, typer.Argument(help="A trace's file; its id, or last, together with --kb.")
    ],
    kb: Annotated[
        Path | None,
        typer.Option("--kb", envvar="SUREFOOT_KB", help="The knowledge base's folder."),
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show how sure the model was of each token.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Give an answer again from its trace, and compare everything. Exit 0 the same, 4 not.

    The trace and the models are enough. Where the knowledge base is still at that generation,
    search and prompt are repeated too.

    Examples:

      surefoot replay last --kb ~/kb

      surefoot replay ~/kb/traces/20260101T120000-1a2b3c4d.json

      surefoot replay 20260101T120000-1a2b3c4d --kb ~/kb --json
    """
    from dataclasses import replace

    from rag.assemble import open_replayer
    from rag.found_again import base_of
    from rag.replay import replay_json
    from rag.traced import find_trace, read_trace
    from ui.console import emit_json
    from ui.heat import print_heat
    from ui.view import confidence_json

    traced = read_trace(find_trace(trace, kb))
    replayer = open_replayer(traced, base_of(traced, kb))
    model = replayer.model_part(traced)
    if not model.same:
        typer.echo(f"model {traced.model.name}: {model.note}", err=True)
    done = replayer.replay(traced)
    done = replace(done, parts=(*done.parts, *_repeated(replayer, traced, kb)))
    if json:
        sure = {"token_confidence": confidence_json(done.shown)} if tokens else {}
        emit_json({**replay_json(done, traced), **sure})
    else:
        _print(done)
        if tokens:
            print_heat(done.shown)
    if not done.same:
        raise typer.Exit(OTHER)


def _repeated(replayer: Replayer, traced: Traced, kb: Path | None) -> tuple[Part, ...]:
    from rag.assemble import open_searcher
    from rag.found_again import base_of, found_again, not_repeated, unrepeated

    base = base_of(traced, kb)
    if why := not_repeated(traced, base):
        return unrepeated(why)
    return found_again(open_searcher(base, traced.config, replayer), traced)


def _print(done: Replayed) -> None:
    words = {True: "same", False: "DIFFERS", None: "-"}
    for part in done.parts:
        typer.echo(f"{words[part.same]:<8} {part.name:<10} {part.note}")
    typer.echo(f"\n{done.answer.text}")
    typer.echo(f"\n{'The same answer.' if done.same else 'Not the same.'}")
