"""`surefoot release`: variants of the assistant, tried on part of the traffic, promoted or not."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption, KbOption, ModelOption

if TYPE_CHECKING:
    from rag.config import Config
    from rag.releases.gates import Gates
    from rag.releases.registry import Registry

HELP = """Variants of the assistant: model, prompt, settings and index under one name.

A running server follows within a second. One that is worse on trial is rolled back by itself.

\b
Name what is served:  surefoot release add v1 --kb ~/kb
                      surefoot release promote v1 --kb ~/kb
Try another:          surefoot release add v2 --kb ~/kb --config v2.toml
                      surefoot release canary v2 --kb ~/kb --share 0.1
See how it does:      surefoot release status --kb ~/kb
Take it, or not:      surefoot release promote v2 --kb ~/kb
                      surefoot release rollback --kb ~/kb --why "too terse"
"""
RECENT = 10

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(help="The variant's name.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why, for the history.")]


@app.command("add")
def add(
    name: NameArgument,
    kb: KbOption,
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file. Default: the usual settings.")
    ] = None,
    model: ModelOption = None,
    parent: Annotated[
        str | None, typer.Option("--parent", help="What it was made from. Default: the stable one.")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Only with the generation that the base has now.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="What is new about it.")] = "",
    json: JsonOption = False,
) -> None:
    """Keep a variant: these settings, this model and prompt, with their hashes. It never changes.

    Examples:

      surefoot release add v1 --kb ~/kb --note "as we began"

      surefoot release add v2 --kb ~/kb --config v2.toml --model qwen2.5-coder-0.5b --json
    """
    from ingest.manifest import read_manifest
    from rag.calibrated import fixed, in_force
    from rag.releases.rows import clock
    from rag.releases.variant import DEFAULT, Lineage, make_variant, variant_json
    from ui.console import emit_json

    generation, registry = read_manifest(kb).generation, _registry(kb)
    before = parent if parent is not None else registry.state().stable
    command = shlex.join(["surefoot", *sys.argv[1:]])
    lineage = Lineage("" if before == DEFAULT else before, clock(), command, note)
    settings = fixed(in_force(kb, _config(config, model)))
    variant = make_variant(name, settings, lineage, generation if pin else None)
    registry.add(variant, getpass.getuser())
    if json:
        emit_json(variant_json(variant))
    else:
        typer.echo(f"Added {name}: {variant.model}, sha256 {variant.sha256[:16]}.")


@app.command("list")
def list_variants(kb: KbOption, json: JsonOption = False) -> None:
    """All variants, the oldest first, and which of them is served.

    Examples:

      surefoot release list --kb ~/kb

      surefoot release list --kb ~/kb --json
    """
    from rag.releases.variant import variant_json
    from ui.console import emit_json
    from ui.release_view import role, variant_line

    registry = _registry(kb)
    found, state = registry.all(), registry.state()
    if json:
        rows = [{**variant_json(item), "role": role(item.name, state)} for item in found]
        emit_json({"variants": rows})
        return
    for item in found:
        typer.echo(variant_line(item, state))
    if not found:
        typer.echo("No variants yet; surefoot release add NAME keeps the settings of today.")


@app.command("show")
def show(name: NameArgument, kb: KbOption, json: JsonOption = False) -> None:
    """What a variant is made of, where it comes from, and what happened to it.

    Examples:

      surefoot release show v2 --kb ~/kb

      surefoot release show v2 --kb ~/kb --json
    """
    from dataclasses import asdict

    from rag.releases.variant import variant_json
    from ui.console import emit_json
    from ui.release_view import event_line, variant_lines

    registry = _registry(kb)
    variant = registry.get(name)
    events = [event for event in registry.events() if event.variant == name]
    if json:
        emit_json({**variant_json(variant), "events": [asdict(event) for event in events]})
        return
    for line in (*variant_lines(variant), *map(event_line, events)):
        typer.echo(line)


@app.command("canary")
def canary(
    name: NameArgument,
    kb: KbOption,
    share: Annotated[
        float, typer.Option("--share", help="Its part of the conversations, over 0, under 1.")
    ] = 0.1,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="It answers copies in the background; none is shown.")
    ] = False,
    gates: Annotated[
        Path | None, typer.Option("--gates", help="A TOML file of limits and margins.")
    ] = None,
    auto_promote: Annotated[
        bool, typer.Option("--auto-promote", help="Promote it by itself once it has proved good.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Try a variant on part of the conversations. It is rolled back at once if it proves worse.

    Examples:

      surefoot release canary v2 --kb ~/kb --share 0.1

      surefoot release canary v2 --kb ~/kb --share 0.5 --gates limits.toml --auto-promote

      surefoot release canary v2 --kb ~/kb --share 0.2 --shadow
    """
    from rag.releases.variant import check
    from ui.console import emit_json
    from ui.release_view import trial_json, trial_lines

    registry = _registry(kb)
    check(registry.get(name), kb)
    trial = registry.begin(name, share, shadow, _gates(gates, auto_promote), getpass.getuser())
    if json:
        emit_json(trial_json(trial))
        return
    for line in trial_lines(trial):
        typer.echo(line)


@app.command("promote")
def promote(
    name: NameArgument,
    kb: KbOption,
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", help="A qa run of it whose gate must have passed; repeat for more."),
    ] = None,
    why: WhyOption = "",
    json: JsonOption = False,
) -> None:
    """Serve a variant to everyone. With --run, only if that passed its gate (else exit 4).

    Examples:

      surefoot release promote v2 --kb ~/kb --why "as good, and twice as fast"

      surefoot release promote v2 --kb ~/kb --run runs/v2
    """
    from dataclasses import asdict

    from rag.releases.variant import check
    from ui.console import emit_json
    from ui.release_gate import passed

    registry = _registry(kb)
    variant = registry.get(name)
    check(variant, kb)
    runs = [passed(folder, variant.config(_config(None, None)), name) for folder in run or ()]
    trial = registry.state().trial
    verdict = trial.verdict() if trial is not None and trial.variant == name else None
    figures = {"runs": runs, "trial": asdict(verdict) if verdict else None}
    registry.promote(name, getpass.getuser(), why, figures)
    if json:
        emit_json({"stable": name, **figures})
    else:
        typer.echo(f"{name} is served to everyone now.")


@app.command("rollback")
def rollback(kb: KbOption, why: WhyOption = "", json: JsonOption = False) -> None:
    """Take back the latest step: the trial if one runs, else the latest promotion.

    Examples:

      surefoot release rollback --kb ~/kb --why "readers complain"

      surefoot release rollback --kb ~/kb --json
    """
    from dataclasses import asdict

    from ui.console import emit_json

    event = _registry(kb).rollback(getpass.getuser(), why)
    if json:
        emit_json(asdict(event))
    else:
        typer.echo(f"{event.variant} is rolled back; {event.figures['stable']} is served.")


@app.command("status")
def status(kb: KbOption, json: JsonOption = False) -> None:
    """What is served, how a trial is going, and what happened lately.

    Examples:

      surefoot release status --kb ~/kb

      surefoot release status --kb ~/kb --json
    """
    from dataclasses import asdict

    from ui.console import emit_json
    from ui.release_view import event_line, trial_json, trial_lines

    registry = _registry(kb)
    state, events = registry.state(), registry.events()
    if json:
        trial = trial_json(state.trial) if state.trial else None
        history = [asdict(event) for event in events]
        emit_json({"stable": state.stable, "trial": trial, "events": history})
        return
    typer.echo(f"Served: {state.stable}")
    for line in trial_lines(state.trial) if state.trial else ():
        typer.echo(line)
    for event in events[-RECENT:]:
        typer.echo(event_line(event))


def _registry(kb: Path) -> Registry:
    """That of a base that is there. Raises KnowledgeBaseMissing."""
    from ingest.manifest import read_manifest
    from rag.releases.registry import Registry

    read_manifest(kb)
    return Registry.beside(kb)


def _config(file: Path | None, model: str | None) -> Config:
    from rag.config import load

    return load(file=file).with_model(model)


def _gates(file: Path | None, auto_promote: bool) -> Gates:
    from dataclasses import replace

    from rag.releases.gates import Gates, read_gates

    gates = read_gates(file) if file else Gates()
    return replace(gates, auto_promote=True) if auto_promote else gates
