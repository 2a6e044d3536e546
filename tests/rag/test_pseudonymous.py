"""Answers under pseudonyms: what the model reads, what is kept, and what comes again."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ingest.testing import HashEmbedder, ListIndex
from rag.config import Config, PromptConfig
from rag.engines.scripted import ScriptedEngine
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.replay import Replayer
from rag.restored import may_restore, restored, restored_answer
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT, Policy, Restoring, Rule
from rag.safety.pseudonyms import Session
from rag.standing import Standings
from rag.trace import Tracer
from rag.traced import read_trace
from rag.types import Answer, Decision, Finding, Message, Recalled, Shown, Stage

TEXTS = (
    "Anna Berg is the harbour master of Skarra. Call +44 131 496 0131 to reach her.",
    "Karl Maier keeps the rafts of Skarra. He reports to Anna Berg every May.",
    "The master list names <PERSON_1> and <PERSON_2> for Skarra harbour.",
)
RAW = re.compile(r"Anna|Berg|Karl|Maier|0131")
ROWS = (
    ("PERSON", re.compile(r"Anna Berg|Karl Maier")),
    ("PHONE_NUMBER", re.compile(r"\+44[\d ]+\d")),
    ("VIOLENCE", re.compile(r"KILL")),
)
WHO = "Is Anna Berg the harbour master of Skarra?"
SAID = "<PERSON_1> is the harbour master of Skarra."
HR = frozenset({"hr"})


class Patterns:
    name = "patterns"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        return [
            Finding(stage, label, match.start(), match.end(), 0.99, self.name)
            for label, pattern in ROWS
            for match in pattern.finditer(text)
        ]


def named(to_model: bool) -> Policy:
    policy = DEFAULT
    for label in ("PERSON", "PHONE_NUMBER"):
        policy = policy.with_rule(label, Rule("pseudonym"), ("passage", "answer"))
    return replace(policy, restoring=Restoring(HR, to_model))


def assistant(*replies: str, folder: Path | None = None, to_model: bool = True) -> Assistant:
    embedder = HashEmbedder(dimension=256)
    config = Config(prompt=PromptConfig(tokens=2000))
    facts = {"config": asdict(config), "kb": {"generation": 1}}
    return Assistant(
        retriever=Retriever(ListIndex(embedder, TEXTS), embedder, config.retrieve),
        engine=ScriptedEngine(replies),
        guard=Guard([Patterns()], named(to_model)),
        grounder=Grounder(embedder),
        embedder=embedder,
        config=config,
        tracer=Tracer(folder, facts),
        standings=Standings(),
    )


def prompts(part: Assistant) -> str:
    assert isinstance(part.engine, ScriptedEngine)
    return repr(part.engine.asked)


def test_only_pseudonyms_reach_model_trace_and_answer(tmp_path: Path) -> None:
    part, session = assistant(SAID, folder=tmp_path), Session()
    answer = part.answer(WHO, session=session)
    assert answer.status == "answered"
    assert answer.text == SAID
    assert answer.asked == "Is <PERSON_1> the harbour master of Skarra?"
    assert "<PERSON_1>" in prompts(part)
    assert not RAW.search(prompts(part))
    assert not RAW.search(Path(answer.trace).read_text())
    assert not RAW.search(repr(answer))
    assert session.value("<PERSON_1>") == "Anna Berg"


def test_citations_are_exact_and_go_around_what_is_hidden() -> None:
    answer = assistant(SAID).answer(WHO)
    quotes = [c for sentence in answer.sentences for c in sentence.citations]
    assert quotes
    for cited in quotes:
        text = TEXTS[int(cited.document.removeprefix("d"))]
        assert text[cited.start - 100 : cited.end - 100] == cited.quote
        assert not RAW.search(cited.quote)


@pytest.mark.parametrize("to_model", [True, False])
def test_the_search_still_hears_the_name(to_model: bool) -> None:
    answer = assistant(SAID, to_model=to_model).answer("What does Karl Maier keep?")
    assert answer.passages[0].document == "d1"


def test_a_history_with_names_is_told_without_them(tmp_path: Path) -> None:
    part = assistant(SAID, folder=tmp_path)
    history = [
        Recalled("user", "Who is Karl Maier?", 1),
        Message("assistant", "Karl Maier keeps the rafts. <PERSON_7> knows."),
    ]
    answer = part.answer(WHO, history)
    assert not RAW.search(prompts(part))
    assert not RAW.search(Path(answer.trace).read_text())
    # A number of before is nobody else's now.
    assert "<PERSON_8> is the harbour master" in prompts(part)


def test_a_name_that_the_model_says_itself_has_its_pseudonym() -> None:
    part = assistant("Anna Berg is the harbour master of Skarra.")
    assert part.answer(WHO).text == SAID


def test_a_blocked_question_leaves_no_name_behind(tmp_path: Path) -> None:
    answer = assistant(SAID, folder=tmp_path).answer("KILL Anna Berg")
    assert answer.status == "blocked"
    assert not RAW.search(Path(answer.trace).read_text())


class Locked(Session):
    def name(self, label: str, raw: str) -> str:
        raise OSError("locked")


def test_a_ledger_out_of_order_blocks() -> None:
    part = assistant(SAID)
    answer = part.answer(WHO, session=Locked())
    assert (answer.status, answer.cause) == ("blocked", "filter names: OSError")
    answer = part.answer("Who is it?", [Message("user", WHO)], session=Locked())
    assert (answer.status, answer.cause) == ("blocked", "filter names: OSError")
    answer = part.answer("Who is the harbour master of Skarra?", session=Locked())
    assert (answer.status, answer.cause) == ("blocked", "filter names: OSError")
    assert isinstance(part.engine, ScriptedEngine)
    assert part.engine.asked == []


def test_a_pseudonym_in_a_document_or_question_is_nobody(tmp_path: Path) -> None:
    part, session = assistant("(PERSON_1) is on the master list of Skarra."), Session()
    session.name("PERSON", "Jo Day")
    answer = part.answer("Does the master list name <PERSON_1> for Skarra?", session=session)
    assert "(PERSON_1)" in answer.asked
    assert "names (PERSON_1) and (PERSON_2)" in prompts(part)
    assert "Jo Day" not in restored_answer(answer, session.value).text


@pytest.mark.parametrize("reply", [SAID, "Anna Berg is the harbour master of Skarra.", "Nothing."])
@pytest.mark.parametrize("to_model", [True, False])
def test_a_replay_gives_the_same_without_the_names(
    tmp_path: Path, reply: str, to_model: bool
) -> None:
    part, session = assistant(reply, folder=tmp_path, to_model=to_model), Session()
    session.name("PERSON", "Jo Day")
    traced = read_trace(Path(part.answer(WHO, session=session).trace))
    replayer = Replayer(
        ScriptedEngine((reply,)), Guard([Patterns()], named(to_model)), Grounder(HashEmbedder(256))
    )
    done = replayer.replay(traced)
    assert {p.name: p.note for p in done.parts if p.same is False} == {}


def test_a_blocked_question_is_replayed_from_its_verdict(tmp_path: Path) -> None:
    traced = read_trace(Path(assistant(SAID, folder=tmp_path).answer("KILL Anna Berg").trace))
    assert traced.asked.verdict is not None
    assert traced.asked.verdict.decision is Decision.BLOCK
    guard = Guard([Patterns()], named(to_model=True))
    done = Replayer(ScriptedEngine((SAID,)), guard, Grounder(HashEmbedder(256))).replay(traced)
    assert done.same
    assert done.answer.status == "blocked"


def test_two_sessions_share_no_standing_prompt() -> None:
    part, one, two = assistant(SAID), Session(), Session()
    two.name("PERSON", "Jo Day")
    first = part.answer(WHO, session=one)
    told = (Message("user", first.asked), Message("assistant", first.text))
    part.answer("And who is he?", told, session=two)
    assert isinstance(part.engine, ScriptedEngine)
    last = repr(part.engine.asked[-1])
    # The other session's <PERSON_1> is held by the history or known; its own Anna is another.
    assert "<PERSON_2> is the harbour master" in last


def test_restored_for_those_who_may() -> None:
    policy = named(to_model=True)
    assert [may_restore(policy, g) for g in (HR, frozenset(), frozenset({"it"}))] == [True, 0, 0]
    part, session = assistant(SAID), Session()
    made = list(part.stream(WHO, session=session))
    seen = list(restored(made, session))
    assert "".join(e.sentence.text for e in seen if isinstance(e, Shown)).strip() == (
        "Anna Berg is the harbour master of Skarra."
    )
    answer = next(e for e in seen if isinstance(e, Answer))
    assert answer.text == "Anna Berg is the harbour master of Skarra."
    assert list(restored(made, None)) == made
    assert "Anna" not in json.dumps([p.text for p in answer.passages])


def test_without_pseudonyms_in_the_policy_nothing_changes(tmp_path: Path) -> None:
    part = assistant("Anna Berg is the harbour master of Skarra.", folder=tmp_path)
    part.guard = Guard([Patterns()], DEFAULT)
    answer = part.answer(WHO)
    assert answer.text == "Anna Berg is the harbour master of Skarra."
    assert answer.asked == WHO
