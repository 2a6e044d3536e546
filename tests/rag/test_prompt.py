"""The budget: never over, never cut, never silent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.engines.scripted import ScriptedEngine
from rag.errors import PromptTooLong
from rag.fence import disarm
from rag.prompt import (
    CHECK,
    LEAST_PASSAGE_TOKENS,
    Budget,
    Unit,
    compose,
    pack,
    smooth,
    target_tokens,
    template_hash,
)
from rag.types import Message, Passage

COUNT = ScriptedEngine(["-"]).count_tokens


def passage(index: int, text: str, start: int = 0) -> Passage:
    return Passage(
        rank=index + 1,
        score=1.0,
        dense=0.5,
        lexical=1.0,
        document=f"d{index}",
        path=f"d{index}.md",
        title=f"Title {index}",
        headings=(),
        page=None,
        start=start,
        end=start + len(text),
        text=text,
    )


def sentences(passages: Sequence[Passage], values: Sequence[float]) -> list[Unit]:
    """Units of passages whose sentences end with a full stop and a blank."""
    units: list[Unit] = []
    taken = iter(values)
    for index, item in enumerate(passages):
        position = 0
        for part in item.text.split(". "):
            text = part if part.endswith(".") else part + "."
            start = item.start + position
            units.append(Unit(index, start, start + len(text), text, next(taken, 0.1)))
            position += len(part) + 2
    return units


WORDS = st.lists(
    st.sampled_from(["ferry", "port", "nine", "leave", "the", "of", "gate", "<passage", "π"]),
    min_size=1,
    max_size=12,
).map(lambda words: " ".join(words) + ".")
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)


@st.composite
def problems(draw: st.DrawFn) -> tuple[str, list[Message], list[Passage], list[Unit], Budget]:
    question = draw(WORDS)
    history = [Message("user", text) for text in draw(st.lists(WORDS, max_size=4))]
    passages = [
        passage(i, text, draw(st.integers(0, 99)))
        for i, text in enumerate(draw(st.lists(TEXTS, max_size=5)))
    ]
    values = draw(st.lists(st.floats(0, 1), min_size=40, max_size=40))
    limit = draw(st.integers(100, 600))
    return (
        question,
        history,
        passages,
        sentences(passages, values),
        Budget(draw(st.integers(64, 500)), limit, draw(st.floats(0, 0.8))),
    )


@given(problems())
@settings(max_examples=300, deadline=None)
def test_never_over_budget_never_cut_never_without_the_question(problem: tuple) -> None:  # type: ignore[type-arg]
    question, history, passages, units, budget = problem
    packed = pack(question, history, passages, units, budget, COUNT)
    bare = COUNT(compose(question, (), passages, (), CHECK))
    assert packed.tokens == COUNT(packed.messages) <= budget.limit
    assert packed.tokens <= max(budget.target, bare + LEAST_PASSAGE_TOKENS)
    assert packed.messages[-1].content.endswith(disarm(question))
    for unit in packed.units:
        assert unit in units
        assert disarm(unit.text) in packed.messages[-1].content
    again = pack(question, history, passages, units, budget, COUNT)
    assert again == packed


@given(problems())
@settings(max_examples=200, deadline=None)
def test_what_is_left_out_is_reported(problem: tuple) -> None:  # type: ignore[type-arg]
    question, history, passages, units, budget = problem
    packed = pack(question, history, passages, units, budget, COUNT)
    reported = sum(
        int(row.what.split()[0]) for row in packed.dropped if " sentences of passage " in row.what
    )
    assert reported == len(units) - len(packed.units)
    turns = [row for row in packed.dropped if row.turn and not row.kept]
    assert len(turns) + len(packed.messages) - 2 == len(history)
    assert all(row.tokens > 0 and row.why for row in packed.dropped)


@pytest.mark.parametrize(
    ("wished", "on_gpu", "expected"), [(0, False, 512), (0, True, 3000), (64, True, 64)]
)
def test_the_machine_decides_unless_told(wished: int, on_gpu: bool, expected: int) -> None:
    assert target_tokens(wished, on_gpu) == expected


def test_a_question_over_the_window_says_by_how_much() -> None:
    bare = COUNT(compose("word " * 500, (), (), (), CHECK))
    with pytest.raises(PromptTooLong) as caught:
        pack("word " * 500, [], [], [], Budget(200, 300), COUNT)
    assert caught.value.over == bare - 300
    assert str(bare - 300) in str(caught.value)


def test_the_most_valuable_sentences_stay() -> None:
    texts = ["Gate one opens at nine. Gate two opens at ten. Gate three is shut."]
    passages = [passage(0, texts[0])]
    units = sentences(passages, [0.1, 0.9, 0.2])
    bare = COUNT(compose("When?", (), passages, units[1:2]))
    packed = pack("When?", [], passages, units, Budget(bare + 8, bare + 8), COUNT)
    assert [unit.text for unit in packed.units] == ["Gate two opens at ten."]


def test_kept_sentences_stand_in_the_documents_order_with_gaps_shown() -> None:
    passages = [passage(0, "One is first. Two is second. Three is third.")]
    units = sentences(passages, [0.9, 0.1, 0.8])
    content = compose("Q?", (), passages, [units[2], units[0]])[-1].content
    assert "One is first. … Three is third." in content


def test_the_fixed_part_comes_first_and_never_changes() -> None:
    first = compose("A?", (), [passage(0, "x.")], [])
    second = compose("B?", (), [passage(0, "y.")], [])
    assert first[0] == second[0]
    assert len(template_hash()) == 64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([0.0, 1.0, 0.0, 0.0], [0.6, 1.0, 0.6, 0.0]),
        ([0.9, 1.0], [0.9, 1.0]),
    ],
)
def test_neighbours_share(values: list[float], expected: list[float]) -> None:
    assert smooth(values) == pytest.approx(expected)
