"""What is offered to ask next: only what leads back to the section that it was made from."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from rag.safety.left_out import HIDDEN
from rag.types import Answer, Citation, ModelRef, Passage, Sentence, TokenUse
from ui.page import suggest
from ui.page.suggest import Candidate, candidates, leads_back, suggestions


def passage(title: str, *headings: str, document: str = "") -> Passage:
    name = document or f"{title}.md"
    return Passage(1, 0.9, 0.8, 4.0, name, name, title, headings, None, 40, 50, "Five days.")


def answer(*passages: Passage, cited: Passage | None = None) -> Answer:
    quote = cited and Citation(cited.document, cited.path, None, 40, 44, "Five")
    return Answer(
        status="answered",
        text="Five days.",
        sentences=(Sentence("Five days.", 0.9, (quote,) if quote else ()),),
        passages=passages,
        findings=(),
        tokens=TokenUse(1, 1, 10),
        timings_ms={},
        model=ModelRef("m", "0"),
        trace="",
    )


LEAVE = passage("Leave", "Leave", "3.2 Carrying over")
GUIDE = passage("Onboarding guide", "Onboarding guide")


def asked(*passages: Passage, cited: Passage | None = None) -> list[str]:
    return [item.question for item in candidates(answer(*passages, cited=cited))]


@pytest.mark.parametrize(
    ("found", "question"),
    [
        (LEAVE, "What does “Leave” say about “Carrying over”?"),
        (GUIDE, "What does “Onboarding guide” say?"),
        (passage("Leave", "1. What is carried over?"), "What is carried over?"),
        (passage("Leave", "Overview"), None),
        (passage("Leave", "A)"), None),
        (passage("Leave", "••••• calls"), None),
        (passage("Leave", HIDDEN), "What does “Leave” say?"),
        (passage("", "Carrying over"), None),
        (passage(HIDDEN, "Carrying over"), None),
        (passage("x" * 61), None),
    ],
)
def test_a_section_makes_a_question(found: Passage, question: str | None) -> None:
    assert asked(found) == ([question] if question else [])


def test_what_is_cited_and_what_was_offered_is_left_out() -> None:
    assert asked(LEAVE, GUIDE, cited=LEAVE) == ["What does “Onboarding guide” say?"]
    assert len(asked(LEAVE, LEAVE)) == 1


def test_only_what_leads_back_is_offered() -> None:
    far = passage("Sick pay", "Who pays")
    found = {"Leave": LEAVE, "Sick pay": GUIDE, "Onboarding guide": GUIDE}
    hits = suggestions(
        answer(LEAVE, far, GUIDE), (), lambda text: [found[text.split("“")[1].split("”")[0]]]
    )
    assert hits == (
        "What does “Leave” say about “Carrying over”?",
        "What does “Onboarding guide” say?",
    )


def test_a_question_that_was_asked_is_not_offered() -> None:
    said = "what  does “leave” say about “carrying over”?"
    assert suggestions(answer(LEAVE), (said,), lambda _: [LEAVE]) == ()


def test_at_most_three() -> None:
    many = [passage(f"Guide number {n}") for n in range(9)]
    assert len(suggestions(answer(*many), (), lambda text: _by_title(text, many))) == 3


def test_a_slow_search_ends_the_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "BUDGET_S", 0.02)
    many = [passage(f"Guide number {n}") for n in range(9)]

    def slow(text: str) -> list[Passage]:
        time.sleep(0.05)
        return _by_title(text, many)

    assert len(suggestions(answer(*many), (), slow)) == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], False),
        ([LEAVE], True),
        ([replace(LEAVE, document="other")], False),
        ([replace(LEAVE, headings=("Leave",))], False),
        ([GUIDE, LEAVE], False),
    ],
)
def test_leads_back(found: list[Passage], expected: bool) -> None:
    assert leads_back(Candidate("?", "Leave.md", "3.2 Carrying over"), found) is expected


@pytest.mark.parametrize("text", ["1" * 10_000, "1." * 5_000, " " * 10_000, "A)" * 5_000])
def test_hostile_headings_cost_nothing(text: str, within: Any) -> None:
    within(2, lambda: asked(passage("Leave", text), passage(text)))


def _by_title(text: str, among: list[Passage]) -> list[Passage]:
    return [item for item in among if item.title in text]
