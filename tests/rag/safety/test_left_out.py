"""What was kept from the model, in words: the document, how much, and why."""

from __future__ import annotations

import pytest

from rag.safety.left_out import IN_TITLE, is_barred, left_out
from rag.types import Action, Finding

NAMES = {"d1": "the handbook", "d2": "the menu"}
TRIES = "tries to give me instructions."


def found(
    label: str = "PROMPT_INJECTION",
    span: tuple[int, int] = (0, 9),
    action: Action = "redact",
    document: str = "d1",
    source: str = "injection",
) -> Finding:
    return Finding("passage", label, *span, 0.9, source, action, document)


CASES = [
    ([found()], [f"One sentence of the handbook was left out: it {TRIES}"]),
    ([found(), found(span=(3, 9))], [f"One sentence of the handbook was left out: it {TRIES}"]),
    (
        [found(), found(span=(20, 29))],
        ["2 sentences of the handbook were left out: they try to give me instructions."],
    ),
    ([found(action="block")], [f"A passage of the handbook was left out: it {TRIES}"]),
    ([found("HATE")], ["One sentence of the handbook was left out: it may be harmful."]),
    ([found("OURS")], ["One sentence of the handbook was left out: a safety rule says so."]),
    (
        [found(source=f"injection{IN_TITLE}")],
        [f"The title or a heading of the handbook was hidden: it {TRIES}"],
    ),
    (
        [found(), found(document="d2")],
        [f"One sentence of {name} was left out: it {TRIES}" for name in NAMES.values()],
    ),
    ([found(document="d3")], [f"One sentence of d3 was left out: it {TRIES}"]),
    ([found(action="keep"), found("PHONE_NUMBER"), found("PERSON", action="pseudonym")], []),
]


@pytest.mark.parametrize(("findings", "said"), CASES)
def test_lines(findings: list[Finding], said: list[str]) -> None:
    assert left_out(findings, NAMES) == said


def test_questions_and_answers_are_not_told_of() -> None:
    assert left_out([Finding("answer", "HATE", 0, 3, 0.9, "m", "redact")], NAMES) == []


@pytest.mark.parametrize(
    ("label", "action", "barred"),
    [
        ("PROMPT_INJECTION", "redact", True),
        ("PROMPT_INJECTION", "keep", False),
        ("EMAIL_ADDRESS", "redact", False),
        ("PERSON", "pseudonym", False),
        ("HARM", "block", True),
    ],
)
def test_personal_data_bars_no_sentence(label: str, action: Action, barred: bool) -> None:
    assert is_barred(found(label, action=action)) == barred
