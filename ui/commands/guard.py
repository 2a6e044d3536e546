"""`surefoot guard`: standard input through the filters, as the pipeline would."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.errors import SurefootError
from rag.types import Stage
from ui.options import JsonOption

if TYPE_CHECKING:
    from rag.config import Config
    from rag.safety.guard import Guard

MAX_BYTES = 16 << 20


class StageName(StrEnum):
    question = "question"
    passage = "passage"
    answer = "answer"


StageOption = Annotated[StageName, typer.Option(help="What kind of text it is.")]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", "-p", help="strict, balanced, research, or a TOML file like those."),
]
PublicOption = Annotated[
    Path | None,
    typer.Option(
        "--kb",
        envvar="SUREFOOT_KB",
        help="The knowledge base with the documents that the policy calls public.",
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Read nothing; print the rules in force.")
]


def guard(
    stage: StageOption = StageName.answer,
    policy: PolicyOption = None,
    kb: PublicOption = None,
    explain: ExplainOption = False,
    json: JsonOption = False,
) -> None:
    """Filter standard input: personal data is masked, harmful content and injections blocked.

    What is done with each finding, the policy says: see --explain.

    Examples:

      surefoot guard < reply.txt

      echo "Call me on +44 131 496 0131" | surefoot guard --json

      echo "Ann Lee lives in Leith" | surefoot guard --policy strict --stage passage

      surefoot guard --policy ours.toml --kb kb < reply.txt

      surefoot guard --explain --policy strict
    """
    from rag.config import load
    from ui.console import emit_json
    from ui.guard_view import policy_json, print_policy

    config = load().with_policy(policy)
    if explain:
        emit_json(policy_json(config.guard)) if json else print_policy(config.guard)
        return
    text = _read_input()
    result = _filtered(_filters(config, kb), text, stage.value)
    if json:
        emit_json(result)
        return
    typer.echo(result["text"], nl=not result["text"].endswith("\n"))
    labels = ", ".join(sorted({f["label"] for f in result["findings"] if f["action"] != "keep"}))
    typer.echo(f"{result['verdict']}{': ' + labels if labels else ''}", err=True)
    if result["cause"] and result["verdict"] == "BLOCK":
        typer.echo(result["cause"], err=True)


def _filters(config: Config, kb: Path | None) -> Guard:
    """The guard, with the base where the policy calls documents of it public."""
    from ingest.store import KnowledgeBase
    from rag.assemble import open_embedder, open_guard
    from rag.safety.policy import policy_of

    public = policy_of(config.guard).allowed.documents
    base = KnowledgeBase.open(kb) if public and kb else None
    if public and base is None:
        typer.echo("the policy calls documents public; without --kb none is known", err=True)
    return open_guard(config, open_embedder(), report_names=True, base=base, remember=False)


def _read_input() -> str:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SurefootError(f"standard input is over {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SurefootError(f"standard input is not UTF-8 text (byte {error.start})") from error


def _filtered(filters: Guard, text: str, stage: Stage) -> dict[str, Any]:
    from dataclasses import replace

    from rag.safety.notices import notice
    from rag.safety.stream import filter_text
    from rag.types import Decision

    if stage != "answer":
        verdicts = [(0, filters.check(text, stage))]
        shown = verdicts[0][1].text
    else:
        released = filter_text(text, lambda part, context: filters.check(part, "answer", context))
        verdicts = [(item.start, item.verdict) for item in released]
        shown = "".join(item.text for item in released)
    last = verdicts[-1][1] if verdicts else None
    findings = [
        replace(finding, start=finding.start + offset, end=finding.end + offset)
        for offset, verdict in verdicts
        for finding in verdict.findings
    ]
    worst = _worst([verdict.decision for _, verdict in verdicts])
    return {
        "verdict": worst,
        "text": shown,
        "findings": [_finding(finding) for finding in findings],
        "status": last.status if last else "ok",
        "cause": last.cause if last else None,
        "notice": notice(last, stage) if last and worst == Decision.BLOCK else None,
    }


def _worst(decisions: list[Any]) -> str:
    for level in ("BLOCK", "REDACT"):
        if level in decisions:
            return level
    return "ALLOW"


def _finding(finding: Any) -> dict[str, Any]:
    from ui.view import finding_json

    return finding_json(finding)
