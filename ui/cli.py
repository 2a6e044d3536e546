"""The command line. Commands live in `ui/commands`; here they get names, and errors one line."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ingest.errors import SurefootError
from ui.commands import (
    ask,
    audit,
    bench,
    chat,
    conversations,
    demo,
    doctor,
    guard,
    kb,
    keys,
    models,
    release,
    replay,
    serve,
    telemetry,
    users,
    vault,
)
from ui.commands import eval as evaluation
from ui.commands import ingest as ingest_command
from ui.options import STOPPED

HELP = """Ask your documents. Every answer is guarded, cited and checked, on this machine.

\b
First time:  surefoot demo
Your files:  surefoot ingest ~/Documents --kb ~/kb
             surefoot ask "..." --kb ~/kb
In a page:   surefoot chat --kb ~/kb
Over HTTP:   surefoot serve --kb ~/kb
Measured:    surefoot eval qa --cases cases.jsonl --kb ~/kb
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("ingest")(ingest_command.ingest)
app.command("ask")(ask.ask)
app.command("search")(ask.search)
app.command("chat")(chat.chat)
app.command("serve")(serve.serve)
app.add_typer(conversations.app, name="conversations")
app.command("guard")(guard.guard)
app.add_typer(evaluation.app, name="eval")
app.add_typer(bench.app, name="bench")
app.add_typer(kb.app, name="kb")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(release.app, name="release")
app.add_typer(telemetry.app, name="telemetry")
app.add_typer(users.app, name="users")
app.add_typer(vault.app, name="vault")
app.add_typer(audit.app, name="audit")
app.command("replay")(replay.replay)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"surefoot {version('surefoot')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: 0 fine, 2 wrong usage or bad input, 3 some items failed, 4 a gate said no."""
    _stay_quiet()
    try:
        app()
    except SystemExit as end:
        # Typer turns a Ctrl-C into this code, without a word.
        if end.code == STOPPED:
            _fail("stopped", STOPPED)
        raise
    except KeyboardInterrupt:
        _fail("stopped", STOPPED)
    except SurefootError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("SUREFOOT_DEBUG"):
            raise
        line = " ".join(str(error).split())[:300]
        _fail(f"unexpected {type(error).__name__}: {line} (SUREFOOT_DEBUG=1 shows where)", 1)


def _fail(line: str, code: int) -> None:
    sys.stderr.write(f"surefoot: {line}\n")
    sys.exit(code)


def _stay_quiet() -> None:
    """Nothing is sent anywhere, and libraries do not talk over our output."""
    os.environ["LANGSMITH_TRACING"] = "false"
    os.environ["LANGCHAIN_TRACING_V2"] = "false"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")


if __name__ == "__main__":
    main()
