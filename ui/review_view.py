"""A reviewed answer as JSON and as lines for a terminal. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from evals.review.types import Item
from ui.view import answer_json, place, short

_FIELDS = (
    "id", "created", "source", "reason", "question", "state", "version", "reviewer", "note",
    "labels", "answers", "relevant", "reviewed_at", "promoted_to",
)  # fmt: skip


def item_json(item: Item) -> dict[str, Any]:
    """An item as `review list --json` and `review show --json` print it."""
    row = {name: getattr(item, name) for name in _FIELDS}
    return {
        **row,
        "history": [asdict(turn) for turn in item.history],
        "answer": answer_json(item.answer),
    }


def item_row(item: Item) -> str:
    """An item on one line."""
    labels = f"  [{', '.join(item.labels)}]" if item.labels else ""
    facts = f"{item.id:>5}  {item.state:<9}  {item.source:<11}  {item.created[:10]}"
    return printable(f"{facts}  {short(item.question, 72)}{labels}")


def item_lines(item: Item) -> list[str]:
    """An item for a terminal."""
    reason = f": {item.reason}" if item.reason else ""
    facts = [
        f"item      {item.id}, {item.state}, {item.source}{reason}",
        *(f"{turn.role:<9} {turn.content}" for turn in item.history),
        f"question  {item.question}",
        f"answer    ({item.answer.status}) {item.answer.text}",
        *(
            f"passage   {place(p.title, p.path, p.page)}  {p.document}"
            for p in item.answer.passages
        ),
        f"model     {item.answer.model.name}",
        f"trace     {item.answer.trace or 'none'}",
    ]
    if item.labels:
        facts.append(f"labels    {', '.join(item.labels)}")
    if item.answers is not None:
        facts.append(f"right is  {' | '.join(item.answers) or 'the documents do not say'}")
    if item.note:
        facts.append(f"note      {item.note}")
    return [printable(line) for line in facts]


def printable(text: str) -> str:
    """No control characters: what a model or a reader wrote does not steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
