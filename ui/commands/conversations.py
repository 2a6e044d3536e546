"""`surefoot conversations`: what was asked and answered, to look at, to keep or to be rid of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import GroupOption, JsonOption, KbOption

if TYPE_CHECKING:
    from rag.conversations import Conversation, Conversations

HELP = """Conversations held with a knowledge base.

\b
Hold one:     surefoot ask "How much leave do I have?" --kb ~/kb --conversation leave
              surefoot ask "And part-time?" --kb ~/kb --conversation leave
See them:     surefoot conversations list --kb ~/kb
              surefoot conversations show leave --kb ~/kb
Keep a copy:  surefoot conversations export leave --kb ~/kb > leave.md
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

KeyArgument = Annotated[str, typer.Argument(help="Its name or id, as in `list`.")]


@app.command("list")
def list_conversations(kb: KbOption, group: GroupOption = None, json: JsonOption = False) -> None:
    """All conversations of which you may see something, the latest first.

    Examples:

      surefoot conversations list --kb ~/kb

      surefoot conversations list --kb ~/kb --group hr --json
    """
    from ui.console import emit_json
    from ui.conversation_view import conversation_json, conversation_row

    found = _conversations(kb).all(frozenset(group or ()))
    if json:
        emit_json({"conversations": [conversation_json(item) for item in found]})
        return
    for item in found:
        typer.echo(conversation_row(item))
    if not found:
        typer.echo("No conversations yet; ask with --conversation NAME to hold one.")


@app.command("show")
def show(
    key: KeyArgument, kb: KbOption, group: GroupOption = None, json: JsonOption = False
) -> None:
    """Questions, answers and their sources.

    Turns that rest on documents which your groups may not see are counted, not shown.

    Examples:

      surefoot conversations show leave --kb ~/kb

      surefoot conversations show leave --kb ~/kb --group hr --json
    """
    from ui.console import emit_json
    from ui.conversation_view import conversation_lines, whole_json

    found = _readable(kb, key, frozenset(group or ()))
    if json:
        emit_json(whole_json(found))
        return
    for line in conversation_lines(found):
        typer.echo(line)


@app.command("rename")
def rename(
    key: KeyArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    kb: KbOption,
    group: GroupOption = None,
    json: JsonOption = False,
) -> None:
    """Give a conversation another name; its id stays.

    Examples:

      surefoot conversations rename leave "annual leave" --kb ~/kb
    """
    from ui.console import emit_json
    from ui.conversation_view import conversation_json

    groups, store = frozenset(group or ()), _conversations(kb)
    before = store.get(key, groups)
    store.rename(before.id, name, groups)
    after = store.get(before.id, groups)
    if json:
        emit_json(conversation_json(after))
    else:
        typer.echo(f"{before.name} is {after.name} now.")


@app.command("delete")
def delete(
    key: KeyArgument, kb: KbOption, group: GroupOption = None, json: JsonOption = False
) -> None:
    """Remove a conversation for good, with all its turns.

    Examples:

      surefoot conversations delete leave --kb ~/kb
    """
    from ui.console import emit_json

    groups, store = frozenset(group or ()), _conversations(kb)
    found = store.get(key, groups)
    store.delete(found.id, groups)
    if json:
        emit_json({"deleted": found.id, "turns": len(found.turns)})
    else:
        typer.echo(f"Deleted {found.name}, {len(found.turns)} turn(s).")


@app.command("export")
def export(
    key: KeyArgument, kb: KbOption, group: GroupOption = None, json: JsonOption = False
) -> None:
    """Print a conversation as Markdown with its citations, or as JSON.

    Examples:

      surefoot conversations export leave --kb ~/kb > leave.md

      surefoot conversations export leave --kb ~/kb --json > leave.json
    """
    from ui.console import emit_json
    from ui.conversation_view import markdown, whole_json

    found = _readable(kb, key, frozenset(group or ()))
    if json:
        emit_json(whole_json(found))
    else:
        typer.echo(markdown(found), nl=False)


def _readable(kb: Path, key: str, groups: frozenset[str]) -> Conversation:
    """One, with what its pseudonyms stand for where the policy lets these groups see it."""
    from dataclasses import replace

    from rag.config import load
    from rag.restored import may_restore, restored_turns
    from rag.safety.policy import policy_of
    from rag.safety.vault_opening import LateSessions

    found = _conversations(kb).get(key, groups)
    if not may_restore(policy_of(load().guard), groups):
        return found
    session = LateSessions(kb).of(found.id)
    return replace(found, turns=restored_turns(found.turns, session.value))


def _conversations(kb: Path) -> Conversations:
    """Those of a base that is there. Raises KnowledgeBaseMissing."""
    from ingest.manifest import read_manifest
    from rag.conversations import Conversations

    read_manifest(kb)
    return Conversations.beside(kb)
