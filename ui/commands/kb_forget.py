"""`surefoot kb forget` and `surefoot kb receipt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.options import JsonOption, KbOption, conditions

if TYPE_CHECKING:
    from ingest.forget import Forgotten
    from ingest.quotes import Place

NOT_WELL = 3


def forget(
    kb: KbOption,
    documents: Annotated[
        list[str] | None, typer.Argument(help="Ids as in `kb list`, or paths.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            "-w",
            help="Also what this holds of: KEY=VALUE (all of it, or one of several authors or"
            " keywords), or 'KEY>=VALUE', 'KEY<=VALUE' with a date or number. The keys are"
            " document, path (of a folder too), title, group and those in `kb info`."
            " Repeat for 'and'.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Say what would go and why; change nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Remove documents for good: from every table and file of the base, and from what quotes them.

    That is their text, chunks, vectors and words, earlier versions and copies of the same text,
    traces, turns of conversations, values in the vault, reviews, cases made of these, and
    evaluation runs. Earlier generations of the base go too, so a rollback can't bring anything
    back. A signed receipt says what was removed, with hashes and counts. Stopped midway, the same
    command goes on.

    The files themselves are not touched: the next ingest of their folder brings them back.

    Examples:

      surefoot kb forget ~/Documents/contract.pdf --kb ~/kb

      surefoot kb forget --where author="A. Person" --kb ~/kb --dry-run
    """
    from ingest.forget import forget as run
    from ingest.selection import Selection
    from ui.console import emit_json

    selection = Selection(tuple(documents or ()), conditions(where))
    done = run(kb, selection, places(kb), dry_run)
    if json:
        emit_json(_row(done, dry_run))
    else:
        typer.echo(_words(done, dry_run))


def places(kb: Path) -> list[Place]:
    """Everything outside the tables that keeps something of a document."""
    from evals.evaluation import runs_folder
    from evals.forgetting import PromotedCases, Reviews, Runs
    from evals.review.queue import ReviewQueue
    from evals.review.types import beside
    from ingest.quotes import Traces
    from rag.conversations import Conversations
    from rag.safety.vault_opening import place_of
    from rag.scan import ForgottenScans
    from ui.evaluation_runs import RUNS

    queue = ReviewQueue(beside(kb))
    return [
        Traces(kb / "traces"),
        ForgottenScans(kb),
        Conversations.beside(kb),
        *place_of(kb),
        PromotedCases(queue),
        Reviews(queue),
        Runs(runs_folder(), kb / RUNS),
    ]


def _row(done: Forgotten, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "documents": list(done.documents),
        "similar": list(done.similar),
        "removed": dict(done.removed),
        "generation": done.generation,
        "receipt": str(done.receipt) if done.receipt else None,
        **({"why": dict(done.why)} if dry_run else {}),
    }


def _words(done: Forgotten, dry_run: bool) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in done.removed.items() if count)
    lines = [f"{'Would forget' if dry_run else 'Forgotten'}: {counts or 'nothing more'}"]
    for document in done.documents:
        lines.append(f"  {document}" + (f"  ({done.why[document]})" if dry_run else ""))
    lines += [f"  stays, though nearly the same: {document}" for document in done.similar]
    if done.receipt is not None:
        lines.append(f"Receipt: {done.receipt}")
        lines.append("Earlier generations are gone too; there is nothing to roll back to.")
    return "\n".join(lines)


def receipt(
    file: Annotated[Path, typer.Argument(help="A file of the base's `receipts` folder.")],
    key: Annotated[Path | None, typer.Option(help="The key, if the receipt was moved.")] = None,
    json: JsonOption = False,
) -> None:
    """Check that a receipt is as it was signed; exit 0 only then."""
    from dataclasses import asdict

    from ingest.receipt import read_receipt
    from ui.console import emit_json

    checked = read_receipt(file, key)
    facts = checked.receipt
    if json:
        emit_json({"signed": checked.signed, **asdict(facts)})
    elif checked.signed:
        counts = ", ".join(f"{count} {name}" for name, count in facts.removed.items() if count)
        typer.echo(f"The signature holds. Forgotten at {facts.at}: {counts}.")
    else:
        typer.echo("The signature does not hold: the receipt or its key is not what it was.")
    if not checked.signed:
        raise typer.Exit(NOT_WELL)
