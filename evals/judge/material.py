"""What a judge may read of a case and its outcome: question, references, passages, answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.types import Case, Outcome


def parts_of(case: Case, outcome: Outcome) -> dict[str, str]:
    """The parts that there are. An answer that was given as data of the case counts as one."""
    found = {
        "question": question_of(case.row),
        "reference": _reference(case.row),
        "passages": _passages(case.row, outcome.data),
        "answer": _text(outcome.data, "answer") or _text(case.row, "answer"),
    }
    if found["answer"] is None and isinstance(outcome.data.get("answer"), str):
        found["answer"] = ""
    return {name: text for name, text in found.items() if text is not None}


def pair_of(case: Case, first: Outcome, second: Outcome) -> dict[str, str]:
    """The parts for comparing two answers to a case; passages differ and are left out."""
    parts, other = parts_of(case, first), parts_of(case, second)
    found: dict[str, str] = {
        name: parts[name] for name in ("question", "reference") if name in parts
    }
    if "answer" in parts and "answer" in other:
        found |= {"first": parts["answer"], "second": other["answer"]}
    return found


def question_of(row: Mapping[str, Any]) -> str | None:
    """The question with the turns before it."""
    asked = _text(row, "query") or _text(row, "question")
    history = row.get("history")
    if asked is None or not isinstance(history, list):
        return asked
    turns = [
        f"{turn.get('role', 'user')}: {turn.get('content', '')}"
        for turn in history
        if isinstance(turn, dict)
    ]
    return "\n".join([*turns, f"user: {asked}"]) if turns else asked


def _reference(row: Mapping[str, Any]) -> str | None:
    answers = row.get("answers")
    if not isinstance(answers, list) or not answers:
        return None
    return "\n".join(f"- {answer}" for answer in answers)


def _passages(row: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    passages = data.get("passages")
    if isinstance(passages, list):
        texts = [str(item.get("text", "")) for item in passages if isinstance(item, dict)]
        return "\n\n".join(f"[{n}] {text}" for n, text in enumerate(texts, start=1))
    return _text(row, "source")


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value.strip() else None
