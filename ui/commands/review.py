"""`surefoot eval review`: answers that people doubted, decided one by one, made into cases."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui.options import JsonOption, KbOption

if TYPE_CHECKING:
    from evals.review.queue import ReviewQueue
    from evals.review.types import Item

HELP = """Review answers that readers doubted, or that were sampled.

\b
See them:   surefoot eval review list --kb ~/kb
            surefoot eval review show 3 --kb ~/kb
Decide:     surefoot eval review accept 3 --kb ~/kb
            surefoot eval review correct 3 --kb ~/kb --answer "28 days"
Sign off:   surefoot eval review promote 3 --kb ~/kb --to cases.jsonl
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


MOST = 10**9
Number = Annotated[int, typer.Argument(min=1, max=MOST, help="The item's number, as in `list`.")]
NoteOption = Annotated[str, typer.Option(help="Why, in a sentence.")]
ReviewerOption = Annotated[
    str, typer.Option(default_factory=_me, help="Who decides.", show_default="your user name")
]
Step = Callable[["ReviewQueue", "Item"], "Item"]


@app.command("list")
def list_items(
    kb: KbOption,
    state: Annotated[
        str, typer.Option(help="open, accepted, corrected, dismissed, promoted or all.")
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most this many.")] = 100,
    json: JsonOption = False,
) -> None:
    """What is in the queue: complaints first, then samples, oldest first.

    Examples:

      surefoot eval review list --kb ~/kb

      surefoot eval review list --kb ~/kb --state all --json
    """
    from evals.review.types import STATES
    from ui.console import emit_json
    from ui.review_view import item_json, item_row

    wanted = next((known for known in STATES if known == state), None)
    if wanted is None and state != "all":
        raise typer.BadParameter(f"{state!r} is no state; {', '.join(STATES)} or all")
    items = _queue(kb).items(wanted, limit)
    if json:
        emit_json({"items": [item_json(item) for item in items]})
        return
    for item in items:
        typer.echo(item_row(item))
    if not items:
        typer.echo("Nothing here." if state == "all" else f"Nothing is {state}.")


@app.command("show")
def show(number: Number, kb: KbOption, json: JsonOption = False) -> None:
    """One item: question, answer, sources, what was decided, and its history.

    Examples:

      surefoot eval review show 3 --kb ~/kb
    """
    from ui.console import emit_json
    from ui.review_view import item_json, item_lines, printable

    queue = _queue(kb)
    item = queue.get(number)
    events = queue.events(number)
    if json:
        emit_json({**item_json(item), "events": [asdict(event) for event in events]})
        return
    for line in item_lines(item):
        typer.echo(line)
    typer.echo("history")
    for event in events:
        note = f": {event.note}" if event.note else ""
        typer.echo(printable(f"  {event.at}  {event.who}  {event.after}{note}"))


@app.command("accept")
def accept(
    number: Number,
    kb: KbOption,
    reviewer: ReviewerOption,
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """The answer is right as it was shown.

    Examples:

      surefoot eval review accept 3 --kb ~/kb
    """
    _step(kb, number, json, lambda queue, item: queue.accept(item, reviewer, note))


@app.command("correct")
def correct(
    number: Number,
    kb: KbOption,
    reviewer: ReviewerOption,
    answer: Annotated[
        list[str] | None, typer.Option(help="A right answer; repeat for other wordings.")
    ] = None,
    relevant: Annotated[
        list[str] | None,
        typer.Option(help="A document that holds it, by id or path; else those that were cited."),
    ] = None,
    unanswerable: Annotated[
        bool, typer.Option("--unanswerable", help="The documents don't say.")
    ] = False,
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Say what the answer should have been.

    Examples:

      surefoot eval review correct 3 --kb ~/kb --answer "28 days" --answer "four weeks"

      surefoot eval review correct 4 --kb ~/kb --unanswerable
    """
    if unanswerable == bool(answer):
        raise typer.BadParameter("give --answer, or --unanswerable, and not both")

    def step(queue: ReviewQueue, item: Item) -> Item:
        cited = () if unanswerable else item.cited
        return queue.correct(item, reviewer, answer or (), relevant or cited, note)

    _step(kb, number, json, step)


@app.command("dismiss")
def dismiss(
    number: Number,
    kb: KbOption,
    reviewer: ReviewerOption,
    note: NoteOption,
    json: JsonOption = False,
) -> None:
    """Nothing is to be learned from it.

    Examples:

      surefoot eval review dismiss 3 --kb ~/kb --note "a test of mine"
    """
    _step(kb, number, json, lambda queue, item: queue.dismiss(item, reviewer, note))


@app.command("reopen")
def reopen(
    number: Number,
    kb: KbOption,
    reviewer: ReviewerOption,
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Take a decision back.

    Examples:

      surefoot eval review reopen 3 --kb ~/kb
    """
    _step(kb, number, json, lambda queue, item: queue.reopen(item, reviewer, note))


@app.command("label")
def label(
    number: Number,
    labels: Annotated[list[str], typer.Argument(help="Words, such as: wrong unsupported tone.")],
    kb: KbOption,
    reviewer: ReviewerOption,
    json: JsonOption = False,
) -> None:
    """Put labels on an item in place of those it has.

    Usual ones: wrong, unsupported, should-abstain, should-answer, unsafe, personal-data,
    wrong-citation, tone.

    Examples:

      surefoot eval review label 3 wrong wrong-citation --kb ~/kb
    """
    _step(kb, number, json, lambda queue, item: queue.label(item, reviewer, labels))


@app.command("promote")
def promote(
    number: Number,
    kb: KbOption,
    to: Annotated[Path, typer.Option(help="The case file, .jsonl; made if it is not there.")],
    reviewer: ReviewerOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the case, and write nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Sign off a decided item as a regression case of the `qa` suite.

    Personal data in it gives way to stand-ins. Look at the case with --dry-run first: what the
    filter does not know for a name stays.

    Examples:

      surefoot eval review promote 3 --kb ~/kb --to cases.jsonl --dry-run

      surefoot eval review promote 3 --kb ~/kb --to cases.jsonl
    """
    import json as json_module

    from evals.review.case import case_of
    from evals.review.stand_ins import open_pseudonymiser
    from ui.console import emit_json

    queue = _queue(kb)
    item = queue.get(number)
    case = case_of(item, open_pseudonymiser())
    if not dry_run:
        queue.promote(item, reviewer, case, to)
    if json:
        emit_json({"case": case, "to": str(to), "written": not dry_run})
        return
    typer.echo(json_module.dumps(case, ensure_ascii=False, indent=2))
    typer.echo(f"Would be added to {to}." if dry_run else f"Added to {to}.")


@app.command("stats")
def stats(kb: KbOption, json: JsonOption = False) -> None:
    """Counts: what is in which state, where it came from, which labels it has.

    Examples:

      surefoot eval review stats --kb ~/kb
    """
    from ui.console import emit_json

    facts = _queue(kb).stats()
    if json:
        emit_json(asdict(facts))
        return
    for name in ("states", "sources", "labels", "audited"):
        counts = getattr(facts, name)
        typer.echo(f"{name:<10} {', '.join(f'{k} {n}' for k, n in counts.items()) or 'none'}")
    typer.echo(f"thumbs up  {facts.thumbs_up}")


def _queue(kb: Path) -> ReviewQueue:
    """The queue beside a knowledge base. Raises KnowledgeBaseMissing if there is none."""
    from evals.review.queue import ReviewQueue
    from evals.review.types import beside
    from ingest.manifest import read_manifest

    read_manifest(kb)
    return ReviewQueue(beside(kb))


def _step(kb: Path, number: int, json: bool, step: Step) -> None:
    from ui.console import emit_json
    from ui.review_view import item_json

    queue = _queue(kb)
    item = step(queue, queue.get(number))
    if json:
        emit_json(item_json(item))
        return
    labels = f" [{', '.join(item.labels)}]" if item.labels else ""
    typer.echo(f"Item {item.id} is {item.state}{labels}.")
