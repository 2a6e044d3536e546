"""`surefoot vault`: what pseudonyms stand for, under a key of yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.options import JsonOption, KbOption

HELP = """What pseudonyms such as <PERSON_1> stand for, encrypted beside the knowledge base.

Without a key they are kept in memory for one session, and are never written down.

\b
Make a key:    export SUREFOOT_VAULT_KEY="$(surefoot vault key)"
Or keep it in the OS keyring:
               surefoot vault key --keyring; export SUREFOOT_VAULT_KEY=keyring
See what is in it:
               surefoot vault list --kb ~/kb
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command("key")
def key(
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Put it into the OS keyring; print nothing.")
    ] = False,
) -> None:
    """Print a new key. Whoever loses it loses what the pseudonyms stand for.

    Examples:

      surefoot vault key
    """
    from rag.safety.vault_key import keep_in_keyring, new_key

    if keyring:
        keep_in_keyring(new_key())
        typer.echo("The key is in the keyring; SUREFOOT_VAULT_KEY=keyring uses it.", err=True)
    else:
        typer.echo(new_key())


@app.command("list")
def list_names(
    kb: KbOption,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the values too; this needs the key.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """How many values of which label each conversation has; values only with --reveal.

    Examples:

      surefoot vault list --kb ~/kb --json
    """
    from dataclasses import asdict

    from rag.safety.vault import beside, held
    from rag.safety.vault_opening import open_vault
    from ui.console import emit_json

    _base(kb)
    if reveal:
        rows = open_vault(kb).reveal()
        lines = [f"{row.session}  {row.mark}  {row.value}" for row in rows]
        found = [asdict(row) for row in rows]
    else:
        counts = held(beside(kb))
        lines = [f"{row.session}  {row.label}  {row.values}" for row in counts]
        found = [asdict(row) for row in counts]
    if json:
        emit_json({"names": found})
        return
    for line in lines or ["The vault is empty."]:
        typer.echo(line)


@app.command("rotate")
def rotate(kb: KbOption, json: JsonOption = False) -> None:
    """Seal everything with the key in SUREFOOT_VAULT_NEXT_KEY; then that is the key to use.

    Hashes of values (<LABEL:1f3a9c2b>) are others from then on.

    Examples:

      SUREFOOT_VAULT_NEXT_KEY="$NEW" surefoot vault rotate --kb ~/kb
    """
    from rag.safety.vault_key import adopt_next, next_key
    from rag.safety.vault_opening import open_vault
    from ui.console import emit_json

    _base(kb)
    count = open_vault(kb).rotate(next_key())
    adopted = adopt_next()
    if json:
        emit_json({"rotated": count})
        return
    where = "it is in the keyring" if adopted else "put it into SUREFOOT_VAULT_KEY"
    typer.echo(f"{count} value(s) are sealed with the new key; {where}.")


@app.command("forget")
def forget(
    session: Annotated[str, typer.Argument(help="A conversation's id, as in `list`.")],
    kb: KbOption,
    json: JsonOption = False,
) -> None:
    """Remove what a conversation's pseudonyms stand for; its turns stay. No key is needed.

    Examples:

      surefoot vault forget c-1a2b3c4d --kb ~/kb
    """
    from rag.safety.vault import beside, drop
    from ui.console import emit_json

    _base(kb)
    count = drop(beside(kb), (session,), ended=False)
    if json:
        emit_json({"forgotten": count})
    else:
        typer.echo(f"{count} value(s) are gone.")


def _base(kb: Path) -> None:
    """Raises KnowledgeBaseMissing."""
    from ingest.manifest import read_manifest

    read_manifest(kb)
