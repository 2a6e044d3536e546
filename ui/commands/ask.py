"""`surefoot ask` and `surefoot search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ui.options import GroupOption, JsonOption, KbOption, ModelOption, WhereOption, conditions

if TYPE_CHECKING:
    from rag.types import Answer, Shown
    from ui.held import Held

QuestionArgument = Annotated[str, typer.Argument(help="The question, in quotes.")]


def ask(
    question: QuestionArgument,
    kb: KbOption,
    group: GroupOption = None,
    where: WhereOption = None,
    model: ModelOption = None,
    conversation: Annotated[
        str | None, typer.Option(help="Begin a conversation of this name, or go on with it.")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Go on with the conversation held last.")
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Show how sure the model was of each token.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Answer one question from the documents, sentence by sentence, each with its source.

    Examples:

      surefoot ask "How many days of leave do I have?" --kb ~/kb

      surefoot ask "Who approves travel?" --kb ~/kb --group hr --json

      surefoot ask "What changed?" --kb ~/kb --where author=Ng --where "date>=2024-01-01"

      surefoot ask "And for contractors?" --kb ~/kb --conversation leave

      surefoot ask "How many days of leave do I have?" --kb ~/kb --tokens
    """
    from rag.pipeline import Assistant
    from rag.safety.vault_opening import LateSessions
    from ui.console import emit_json
    from ui.printing import answer_of, kept, print_answer
    from ui.sessions import Veil
    from ui.view import answer_json, confidence_json

    _not_empty(question)
    chosen = conditions(where)
    groups = frozenset(group or ())
    held = _held(kb, conversation, go_on, groups)
    assistant = Assistant.open(kb, model)
    history = held.history if held is not None else ()
    shown: list[Shown] = []
    veil = Veil.of(assistant.guard.policy, LateSessions(kb), held, groups)
    made = assistant.stream(question, history, groups, where=chosen, session=veil.session)
    events = kept(veil.through(made), shown)
    if json:
        answer = answer_of(events)
        sure = {"token_confidence": confidence_json(shown)} if tokens else {}
        emit_json({**answer_json(answer), **sure, **_kept(held, question, veil.made)})
    else:
        from ui.heat import print_heat

        print_answer(events)
        if tokens:
            print_heat(shown)
        _kept(held, question, veil.made)
    _audit(kb, assistant.config.review.audit_every, question, veil.made, held)


def search(
    question: QuestionArgument,
    kb: KbOption,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many passages.")] = 10,
    group: GroupOption = None,
    where: WhereOption = None,
    explain: Annotated[bool, typer.Option(help="Show the scores by part.")] = False,
    json: JsonOption = False,
) -> None:
    """Find passages; no language model is asked.

    Examples:

      surefoot search "error E-42" --kb ~/kb --top 5 --explain

      surefoot search "safety" --kb ~/kb --where author=Ng --where "date>=2024-01-01"
    """
    from rag.assemble import open_embedder, open_retriever
    from rag.config import load
    from ui.console import emit_json
    from ui.view import passage_json

    _not_empty(question)
    chosen = conditions(where)
    retriever = open_retriever(kb, load(), open_embedder())
    passages = retriever.retrieve(question, frozenset(group or ()), top, chosen)
    if json:
        emit_json({"passages": [passage_json(passage) for passage in passages]})
        return
    for passage in passages:
        _print_passage(passage, explain)
    if not passages:
        typer.echo("Nothing found.")


def _held(kb: Path, name: str | None, go_on: bool, groups: frozenset[str]) -> Held | None:
    """The conversation that the question belongs to, if to any. Raises ConversationError."""
    if name is not None and go_on:
        raise typer.BadParameter("give --conversation or --continue, not both")
    if name is None and not go_on:
        return None
    from ui.held import Held

    return Held.latest(kb, groups) if name is None else Held.named(kb, name, groups)


def _kept(held: Held | None, question: str, answer: Answer) -> dict[str, Any]:
    """The answer has been given; a turn that can't be kept costs a warning, not the answer."""
    if held is None:
        return {}
    from dataclasses import asdict

    from rag.turns import ConversationError
    from ui.console import ERR

    try:
        return {"conversation": asdict(held.keep(question, answer))}
    except ConversationError as error:
        ERR.print(f"not kept: {error}", markup=False)
        return {"conversation": None}


def _audit(kb: Path, every: int, question: str, answer: Answer, held: Held | None) -> None:
    """The answer has been given; a queue that can't be written costs a warning, not the answer."""
    if not every:
        return
    from evals.review.queue import Audit, ReviewQueue
    from evals.review.types import Asked, ReviewError, beside
    from ui.console import ERR

    before = (held.told(), held.rests_on()) if held is not None else ((), ())
    try:
        said = answer.asked or question
        Audit(ReviewQueue(beside(kb)), every).offer(Asked(said, answer, *before))
    except ReviewError as error:
        ERR.print(f"not kept for review: {error}", markup=False)


def _not_empty(question: str) -> None:
    if not question.strip():
        raise typer.BadParameter("the question is empty")


def _print_passage(passage: Any, explain: bool) -> None:
    from ui.console import OUT
    from ui.view import parts, place, short, twins

    where = place(passage.title, passage.path, passage.page)
    OUT.print(f"{passage.rank:>3}. [bold]{where}[/]  [dim]{passage.score:.3f}[/]")
    if explain:
        OUT.print(f"     [dim]{parts(passage)}[/]")
    if note := twins(passage):
        OUT.print(f"     {note}", markup=False)
    OUT.print(f"     {short(passage.text, 220)}", markup=False)
