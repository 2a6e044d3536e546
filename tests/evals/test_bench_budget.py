"""What the budget's benches make of what they measured, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.bench import budget
from evals.bench.asked import Asked, Reply
from evals.bench.budget import Prompted
from evals.bench.followup_latency import WAYS, Conversation, Timed
from evals.bench.followup_latency import lines as followup_lines
from evals.types import Case


def case(number: int) -> Case:
    row = {"id": f"c{number}", "query": "When?", "answers": ["at nine"]}
    return Case(f"c{number}", f"c{number}", row, f"{number:064x}")


def asked(number: int, right: bool) -> Asked:
    few = Reply("It opens at nine." if right else "I don't know.", 300, 1.0)
    return Asked(case(number), few, Reply("At nine.", 700, 2.0), 0.5, "a model 400 4")


def test_answers_are_compared_pair_by_pair_and_times_summed() -> None:
    lines = budget.lines([asked(number, number > 0) for number in range(8)])
    assert lines[0] == "8 questions; sentences, whole passages"
    assert lines[1] == "prompt tokens, mean: 300, 700"
    contained = next(line for line in lines if line.startswith("contained"))
    assert contained.startswith("contained: 0.875, 1.000; difference -0.125 [")
    assert ": 0.500" in lines[-2]
    assert ": 0.750" in lines[-1]


def test_prompts_alone_are_compared_by_what_they_hold() -> None:
    found = [Prompted(case(number), (300, 700), (True, number > 0)) for number in range(4)]
    lines = budget.prompt_lines(found, shared=100)
    assert "tokens to read, of the whole passages': 0.33" in lines
    assert lines[-1].startswith("answer in the prompt: 1.000, 0.750; difference +0.250 [")


def test_a_journal_is_gone_on_from(tmp_path: Path) -> None:
    put: list[str] = []

    def ask_one(one: Case, turn: int) -> Asked:
        put.append(one.id)
        return asked(turn, right=True)

    journal, cases = tmp_path / "journal.jsonl", [case(number) for number in range(3)]
    first = budget.run(cases[:2], ask_one, journal, "a model 400 4")
    assert budget.run(cases, ask_one, journal, "a model 400 4")[:2] == first
    assert put == ["c0", "c1", "c2"]
    budget.run(cases[:1], ask_one, journal, "another model 400 4")
    assert put[3:] == ["c0"]


@pytest.mark.parametrize("n", [2, 6])
def test_followups_are_set_beside_first_questions(n: int) -> None:
    seconds = dict(zip(WAYS, (4.0, 2.0, 3.0, 1.0), strict=True))
    timed = {way: Timed(seconds[way], 500, 100) for way in WAYS}
    lines = list(followup_lines([Conversation(case(number), timed) for number in range(n)]))
    assert lines[0].startswith(f"{n} conversations")
    assert "cold: 500, 100, 4.00" in lines
    assert any("follow-up / cold: 0.750" in line for line in lines)
