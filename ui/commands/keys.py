"""`surefoot keys`: who may use the HTTP API of a knowledge base, for what, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.options import JsonOption, KbOption

if TYPE_CHECKING:
    from ui.api.keys import Key, KeyStore

HELP = """Keys for the HTTP API of a knowledge base. A running server follows at once.

\b
Make one:    surefoot keys add laptop --kb ~/kb
For a team:  surefoot keys add hr-page --kb ~/kb --group hr --scope ask --scope search
See them:    surefoot keys list --kb ~/kb
Renew one:   surefoot keys rotate laptop --kb ~/kb --grace 60
End one:     surefoot keys revoke laptop --kb ~/kb
"""
USUAL = ("ask", "search", "read", "feedback")

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

NamedArgument = Annotated[str, typer.Argument(help="Its name or id, as in `list`.")]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    kb: KbOption,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="ask, search, read, write, feedback or metrics; repeat for more."
            f" Without it: {', '.join(USUAL)}.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            "-g",
            help="A group whose documents it may see, besides those open to all; repeat for more.",
        ),
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", help="Requests a minute (default: [serve] of config).")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", help="The model's tokens a day (default: config).")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="The last day it works, YYYY-MM-DD in UTC.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a key. Its secret is printed this once and kept nowhere.

    Examples:

      surefoot keys add laptop --kb ~/kb

      surefoot keys add hr-page --kb ~/kb --group hr --rate 20 --expires 2030-12-31
    """
    from rag.config import load

    serve = load().serve
    key, secret = _store(kb).add(
        name,
        scope or USUAL,
        group or (),
        serve.rate_per_minute if rate is None else rate,
        serve.tokens_per_day if tokens is None else tokens,
        expires,
    )
    _show_secret(key, secret, json)


@app.command("list")
def list_keys(kb: KbOption, json: JsonOption = False) -> None:
    """All keys, also ended ones; of their secrets nothing.

    Examples:

      surefoot keys list --kb ~/kb --json
    """
    from ui.api.limits import Limits
    from ui.console import emit_json

    limits = Limits.beside(kb)
    found = [(key, limits.used(key)) for key in _store(kb).all()]
    if json:
        emit_json({"keys": [{**_key_json(key), "tokens_today": used} for key, used in found]})
        return
    for key, used in found:
        typer.echo(_row(key, used))
    if not found:
        typer.echo("No keys yet: nobody may ask. Make one with: surefoot keys add NAME --kb DIR")


@app.command("rotate")
def rotate(
    key: NamedArgument,
    kb: KbOption,
    grace: Annotated[
        float, typer.Option("--grace", min=0, help="Minutes that the old secret still works.")
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """Give a key a new secret; the old one ends now, or after some minutes.

    Examples:

      surefoot keys rotate laptop --kb ~/kb --grace 60
    """
    changed, secret = _store(kb).rotate(key, grace * 60)
    _show_secret(changed, secret, json)


@app.command("revoke")
def revoke(key: NamedArgument, kb: KbOption, json: JsonOption = False) -> None:
    """End a key for good.

    Examples:

      surefoot keys revoke laptop --kb ~/kb
    """
    from ui.console import emit_json

    ended = _store(kb).revoke(key)
    if json:
        emit_json(_key_json(ended))
    else:
        typer.echo(f"{ended.name} ({ended.id}) has ended.")


def _store(kb: Path) -> KeyStore:
    """The keys of a knowledge base that is there. Raises KnowledgeBaseMissing."""
    from ingest.manifest import read_manifest
    from ui.api.keys import KeyStore

    read_manifest(kb)
    return KeyStore.beside(kb)


def _show_secret(key: Key, secret: str, json: bool) -> None:
    from ui.console import emit_json

    if json:
        emit_json({**_key_json(key), "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"{key.name} ({key.id}): this is the only time that its secret is shown.", err=True)


def _key_json(key: Key) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(key), "scopes": sorted(key.scopes), "groups": sorted(key.groups)}


def _row(key: Key, used: int) -> str:
    groups = ", ".join(sorted(key.groups)) or "what is open to all"
    until = "ended" if key.revoked else f"until {key.expires}" if key.expires else "no end"
    rate = f"{key.rate_per_minute}/min, {used:,} of {key.tokens_per_day:,} tokens today"
    scopes = ", ".join(sorted(key.scopes))
    return f"{key.id}  {key.name}: {scopes}; {groups}; {rate}; {until}; used {key.used or 'never'}"
