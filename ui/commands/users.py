"""`surefoot users`: who may sign in at the page, and what they see there."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption

if TYPE_CHECKING:
    from ui.users import Users

HELP = """Who may sign in at the page of `surefoot chat`. A running page follows at once.

\b
Make one:       surefoot users add ada --kb ~/kb --keeper
With a group:   surefoot users add grace --kb ~/kb --group hr
See them:       surefoot users list --kb ~/kb
New password:   surefoot users password grace --kb ~/kb
End one:        surefoot users remove grace --kb ~/kb
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

UserArgument = Annotated[str, typer.Argument(help="The name to sign in with.")]
UsersOption = Annotated[
    Path | None,
    typer.Option("--users", envvar="SUREFOOT_USERS", help="Their file, if not DIR/users.toml."),
]
MaybeKbOption = Annotated[
    Path | None,
    typer.Option("--kb", envvar="SUREFOOT_KB", help="The knowledge base's folder."),
]


@app.command("add")
def add(
    name: UserArgument,
    kb: MaybeKbOption = None,
    users: UsersOption = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", "-g", help="A group whose documents the user sees; repeat for more."
        ),
    ] = None,
    keeper: Annotated[
        bool, typer.Option("--keeper", help="May also change the base, review and evaluate.")
    ] = False,
) -> None:
    """Let somebody sign in. The password is asked for, or read from standard input.

    Examples:

      surefoot users add ada --kb ~/kb --keeper

      printf '%s' "$PASSWORD" | surefoot users add grace --kb ~/kb --group hr
    """
    store = _store(kb, users)
    user = store.add(name, group or (), keeper, _password())
    typer.echo(f"{user.name} may sign in ({store.path})")


@app.command("list")
def list_users(
    kb: MaybeKbOption = None, users: UsersOption = None, json: JsonOption = False
) -> None:
    """All users with their groups; of their passwords nothing.

    Examples:

      surefoot users list --kb ~/kb --json
    """
    from ui.console import emit_json

    found = _store(kb, users).all()
    if json:
        rows = [
            {"name": user.name, "groups": sorted(user.groups), "keeper": user.keeper}
            for user in found
        ]
        emit_json({"users": rows})
        return
    for user in found:
        groups = ", ".join(sorted(user.groups)) or "open documents"
        typer.echo(f"{user.name:<20} {'keeper' if user.keeper else 'reader':<7} {groups}")
    if not found:
        typer.echo("No users yet. Make one with: surefoot users add NAME --kb DIR")


@app.command("password")
def password(name: UserArgument, kb: MaybeKbOption = None, users: UsersOption = None) -> None:
    """Give somebody a new password; sessions that are open end.

    Examples:

      surefoot users password grace --kb ~/kb
    """
    user = _store(kb, users).set_password(name, _password())
    typer.echo(f"{user.name} has a new password")


@app.command("remove")
def remove(name: UserArgument, kb: MaybeKbOption = None, users: UsersOption = None) -> None:
    """Let somebody sign in no more; sessions that are open end.

    Examples:

      surefoot users remove grace --kb ~/kb
    """
    typer.echo(f"{_store(kb, users).remove(name).name} may sign in no more")


def _store(kb: Path | None, users: Path | None) -> Users:
    from ingest.manifest import read_manifest
    from ui.users import Users

    if users is not None:
        return Users(users)
    if kb is None:
        raise typer.BadParameter("name the knowledge base with --kb, or a file with --users")
    read_manifest(kb)
    return Users.beside(kb)


def _password() -> str:
    """Asked for twice on a terminal, else the whole of standard input but its line end."""
    from ui.users import UsersError

    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    typed = getpass("Password: ")
    if typed != getpass("Once more: "):
        raise UsersError("the two passwords differ; nothing was changed")
    return typed
