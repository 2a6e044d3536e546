"""`surefoot bench NAME`: our speed beside a peer's, in one run on this machine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from rag.errors import SurefootError
from ui.options import JsonOption, ModelOption

REPEATS = 5

app = typer.Typer(
    help="""Compare our speed with a peer's, side by side in one run.

    A peer that isn't installed is named with the way to install it; ours is measured all the same.
    Ratios are the peer's time over ours, round by round: over 1, ours is faster.
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

RepeatsOption = Annotated[
    int, typer.Option("--repeats", min=1, help="Rounds that count, after one to warm up.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Also write the JSON object to this file.")
]


def _size(what: str) -> typer.models.OptionInfo:
    option = typer.Option("--size", min=1, help=f"How much: {what}.", show_default=False)
    assert isinstance(option, typer.models.OptionInfo)
    return option


@app.command("ingest")
def ingest(
    size: Annotated[int | None, _size("files of about 300 words")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Files into a knowledge base, beside LangChain's recipe, plain loops and txtai."""
    _bench("ingest", size, repeats, out, json)


@app.command("retrieve")
def retrieve(
    size: Annotated[int | None, _size("chunks in the knowledge base")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Searching, beside bm25s with FAISS, and how far they find the same."""
    _bench("retrieve", size, repeats, out, json)


@app.command("guard")
def guard(
    size: Annotated[int | None, _size("answers to filter; a third as many streams")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Finding personal data, beside Presidio; guarding a stream, beside chunk buffers."""
    _bench("guard", size, repeats, out, json)


@app.command("generate")
def generate(
    size: Annotated[int | None, _size("sentences in a prompt")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """The engines, beside llama-cpp-python and transformers alone; what an answer adds."""
    _bench("generate", size, repeats, out, json)


@app.command("busy")
def busy(
    size: Annotated[int | None, _size("busy processes beside the engine; a core's each")] = None,
    repeats: RepeatsOption = 3,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """The CPU engine beside other work, and with OpenMP's own way of waiting."""
    _bench("busy", size, repeats, out, json)


@app.command("serve")
def serve(
    size: Annotated[int | None, _size("clients, with two questions each")] = None,
    repeats: RepeatsOption = 1,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """The HTTP server under many clients at once: throughput, waiting, refusals, cache hits."""
    _bench("serve", size, repeats, out, json)


@app.command("paint")
def paint(
    size: Annotated[int | None, _size("pages after the first of each server")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """The chat's first page in a real browser, beside the emptiest page of Streamlit."""
    _bench("paint", size, repeats, out, json)


@app.command("eval")
def evaluate(
    size: Annotated[int | None, _size("cases; an eighth as many texts for the runner")] = None,
    repeats: RepeatsOption = REPEATS,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Intervals, ranking measures and the runner, beside scikit-learn, trec_eval and a loop."""
    _bench("eval", size, repeats, out, json)


@app.command("attacks")
def attacks(
    size: Annotated[int | None, _size("attacks; all 96 where not given")] = None,
    model: ModelOption = None,
    journal: Annotated[
        Path | None, typer.Option(help="Keep each case here; the same command goes on with it.")
    ] = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Instructions planted in documents: how often they win, with and without the defence."""
    import tempfile

    from evals.bench.attacks import run
    from evals.bench.attacks_report import as_json, lines, report
    from rag.config import load
    from ui.console import emit_json

    for path in (out, journal):
        _require_folder(path)
    config = load().with_model(model)
    with tempfile.TemporaryDirectory(prefix="surefoot-attacks-") as folder:
        made = report(config.engine.model, list(run(Path(folder), config, size, journal, _say)))
    if out is not None:
        _write(out, as_json(made))
    if json:
        emit_json(as_json(made))
        return
    for line in lines(made):
        typer.echo(line)


def _bench(name: str, size: int | None, repeats: int, out: Path | None, json: bool) -> None:
    from evals.bench.harness import run_bench
    from evals.bench.show import as_json, lines
    from ui.console import emit_json

    _require_folder(out)
    module = import_module(f"evals.bench.{name}")
    result = run_bench(name, module.plan, size or module.SIZE, repeats, _say)
    if out is not None:
        _write(out, as_json(result))
    if json:
        emit_json(as_json(result))
        return
    for line in lines(result):
        typer.echo(line)


def _require_folder(path: Path | None) -> None:
    if path is not None and not path.resolve().parent.is_dir():
        raise SurefootError(f"cannot write {path}: there is no such folder")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _write(path: Path, value: object) -> None:
    import json

    from rag.models import write_atomic

    try:
        write_atomic(path, f"{json.dumps(value, ensure_ascii=False, indent=1)}\n".encode())
    except OSError as error:
        raise SurefootError(f"cannot write {path}: {error.strerror or error}") from error
