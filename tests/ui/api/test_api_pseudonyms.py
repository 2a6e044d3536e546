"""Pseudonyms over HTTP: each conversation has its own, and nobody gets another's from the cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rag.engines.scripted import ScriptedEngine
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT, Restoring, Rule
from rag.types import Finding, Stage

QUESTION = "How many days of annual leave are there?"
SAID = "Annual leave is <PERSON_1> days a year."
SHOWN = "Annual leave is twenty five days a year."


class Spelled:
    """Calls a number a person: any name will do."""

    name = "spelled"

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        at = text.find("twenty five")
        return [Finding(stage, "PERSON", at, at + 11, 1.0, self.name)] if at >= 0 else []


@pytest.fixture
def running(serve: Any) -> Any:
    policy = DEFAULT.with_rule("PERSON", Rule("pseudonym"))
    policy = replace(policy, restoring=Restoring(frozenset({"hr"}), to_model=True))
    with serve(ScriptedEngine([SAID])) as server:
        server.service.router.pick("").assistant.guard = Guard([Spelled()], policy)
        yield server


def ask(running: Any, key: str, **body: Any) -> Any:
    with running.client(key) as client:
        done = client.post("/ask", json={"question": QUESTION, **body})
    assert done.status_code == 200, done.text
    return done


@pytest.mark.parametrize(("key", "shown"), [("hr", SHOWN), ("open", SAID)])
def test_who_may_reads_what_it_stands_for(running: Any, key: str, shown: str) -> None:
    assert ask(running, key).json()["answer"] == shown
    assert ask(running, key, stream=True).text.count(json.dumps(shown)[1:-1]) >= 2
    assert SHOWN not in json.dumps(ask(running, "open").json())


def test_no_answer_comes_from_the_cache(running: Any) -> None:
    for _ in range(2):
        ask(running, "open")
    assert len(running.service.cache) == 0


def test_a_conversation_keeps_its_names_and_no_values(running: Any) -> None:
    for _ in range(2):
        assert ask(running, "hr", conversation="leave").json()["answer"] == SHOWN
    (found,) = running.service.conversations.all(frozenset({"hr"}))
    assert [turn.text for turn in found.turns] == [SAID, SAID]
    assert running.service.sessions.of(found.id).value("<PERSON_1>") == "twenty five"


def test_names_in_a_history_of_the_callers_own_are_nobodys(running: Any) -> None:
    told = [
        {"role": "user", "content": "Who is <PERSON_1>?"},
        {"role": "assistant", "content": "<PERSON_1> is the harbour master."},
    ]
    # The model still says <PERSON_1>, whom this session never met.
    assert ask(running, "hr", history=told).json()["status"] in ("answered", "abstained")
    assert "twenty five" not in ask(running, "hr", history=told).json()["answer"]
