"""`surefoot demo`: the sample documents in, three questions out."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ui.options import JsonOption, ModelOption

EXPECT = {
    "answerable": "A plain question: the answer cites the characters that support it.",
    "unanswerable": "A question that the documents can't answer: it says so.",
    "pii": "A question that baits personal data: it comes out masked.",
}


def demo(
    model: ModelOption = None,
    where: Annotated[bool, typer.Option(help="Only print the demo's folder.")] = False,
    json: JsonOption = False,
) -> None:
    """Ingest the sample documents of a small ferry company and ask them three questions."""
    from evals.sample import DEMO, DOCUMENTS
    from rag.models import home

    kb = home() / "demo-kb"
    if where:
        typer.echo(str(kb))
        return
    began = time.perf_counter()
    _fill(kb, DOCUMENTS, json)
    questions = json_module.loads(DEMO.read_text(encoding="utf-8"))["questions"]
    answers = _ask_all(kb, model, questions, json)
    if json:
        _emit(kb, questions, answers)
        return
    from ui.console import OUT

    OUT.print(f"[dim]Done in {time.perf_counter() - began:.0f} s. All of it on this machine.[/]\n")
    OUT.print("Next, with your own documents:")
    OUT.print("  surefoot ingest ~/Documents --kb ~/kb")
    OUT.print("  surefoot chat --kb ~/kb", end="")
    OUT.print(f"      [dim]or try these: surefoot chat --kb {kb}[/]")


def _fill(kb: Path, documents: Path, quiet: bool) -> None:
    from ingest.build import ingest
    from ingest.errors import KnowledgeBaseError
    from rag.assemble import open_bulk_embedder
    from ui.console import ERR, IngestProgress

    embedder = open_bulk_embedder()
    with IngestProgress() as progress:
        try:
            report = ingest([documents], kb, embedder, prune=True, progress=progress)
        except KnowledgeBaseError as error:
            raise type(error)(kb, f"{error.problem} (remove the folder to start anew)") from error
    if not quiet:
        known = report.unchanged + report.duplicates
        ERR.print(
            f"[dim]Sample documents: {report.added + report.updated} read, {known} "
            f"unchanged, {report.chunks} chunks, {report.seconds:.1f} s[/]\n"
        )


def _ask_all(kb: Path, model: str | None, questions: Any, quiet: bool) -> list[Any]:
    from rag.pipeline import Assistant
    from ui.console import OUT
    from ui.printing import print_answer

    assistant = Assistant.open(kb, model)
    answers = []
    for number, item in enumerate(questions, start=1):
        if quiet:
            answers.append(assistant.answer(item["question"]))
            continue
        OUT.print(f"[dim]{number}. {EXPECT[item['kind']]}[/]")
        OUT.print(f"[bold]{item['question']}[/]")
        answers.append(print_answer(assistant.stream(item["question"])))
        OUT.print()
    return answers


def _emit(kb: Path, questions: Any, answers: list[Any]) -> None:
    from ui.console import emit_json
    from ui.view import answer_json

    rows = [
        {"kind": item["kind"], "question": item["question"], **answer_json(answer)}
        for item, answer in zip(questions, answers, strict=True)
    ]
    emit_json({"kb": str(kb), "questions": rows})
