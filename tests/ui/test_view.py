"""Answers as JSON and as lines for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.types import Answer, ModelRef, TokenUse
from ui.printing import print_answer
from ui.view import answer_json

ANSWER = Answer(
    status="abstained",
    text="I don't know.",
    sentences=(),
    passages=(),
    findings=(),
    tokens=TokenUse(1, 2, 3, ()),
    timings_ms={"total": 4.0},
    model=ModelRef("m", "0"),
    trace="",
)


@pytest.mark.parametrize("where", ["", "author=[bold]Ng and date>=2024"])
def test_conditions_are_shown_where_there_are_any(
    capsys: pytest.CaptureFixture[str], where: str
) -> None:
    answer = replace(ANSWER, where=where)
    assert answer_json(answer).get("where", "") == where
    assert ("where" in answer_json(answer)) == bool(where)
    assert print_answer([answer]) is answer
    assert (f"only {where}" in capsys.readouterr().out) == bool(where)
