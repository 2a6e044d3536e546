"""A follow-up goes on from the prompt before it, and nobody else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rag.engines.scripted import ScriptedEngine
from rag.prompt import SYSTEM, Budget, Packed, Unit, pack
from rag.reading import Reading
from rag.standing import GROWTH, Standing, Standings, Talk, begun, go_on, goes_on, joined
from rag.types import Message, Passage

COUNT = ScriptedEngine(["-"]).count_tokens
BUDGET = Budget(400, 2000)
NOBODY: frozenset[str] = frozenset()


def passage(name: str, *sentences: str) -> Passage:
    text = " ".join(sentences)
    return Passage(1, 0.9, 0.5, 1.0, name, name, name.title(), (), None, 0, len(text), text)


def reading(*passages: Passage) -> Reading:
    """Every sentence of the passages may be read, and all are worth the same."""
    units: list[Unit] = []
    for index, item in enumerate(passages):
        at = 0
        for part in item.text.split(". "):
            text = part if part.endswith(".") else f"{part}."
            units.append(Unit(index, at, at + len(text), text, 0.5))
            at += len(part) + 2
    return Reading(tuple(passages), tuple(units), (), tuple(() for _ in passages), (), 0.5)


def first(question: str, found: Reading, budget: Budget = BUDGET) -> tuple[Packed, Standing]:
    packed = pack(question, (), found.passages, found.units, budget, COUNT)
    return packed, begun(packed, found)


def onward(
    before: Standing, question: str, found: Reading, budget: Budget = BUDGET, share: float = 0.4
) -> tuple[Packed, Standing] | None:
    return go_on(before, question, joined(before, found), budget, share, COUNT, SYSTEM)


LEAVE = passage("leave", "Leave is 25 days.", "Five may be carried over.")
PAY = passage("pay", "Pay day is the 28th.", "Overtime is paid a month later.")


def test_the_prompt_before_is_left_as_it_was_and_only_what_is_new_is_added() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    said = standing.replied("25 days.")
    found = onward(said, "And when is pay day?", reading(PAY, LEAVE))
    assert found is not None
    packed, _ = found
    assert packed.messages[: len(said.messages)] == said.messages
    last = packed.messages[-1].content
    assert "Pay day is the 28th." in last
    assert "Leave is 25 days." not in last
    assert last.endswith("Question: And when is pay day?")
    assert goes_on(packed.messages)
    assert not goes_on(first("x?", reading(LEAVE))[0].messages)


def test_all_that_the_model_has_read_is_evidence() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    now = joined(standing, reading(PAY))
    assert [item.document for item in now.passages] == ["pay", "leave"]
    found = go_on(standing.replied("25."), "And pay?", now, BUDGET, 0.4, COUNT, SYSTEM)
    assert found is not None
    cited = {(now.passages[u.passage].document, u.text) for u in found[0].units}
    texts = [("leave", s) for s in ("Leave is 25 days.", "Five may be carried over.")]
    assert cited >= {*texts, ("pay", "Pay day is the 28th.")}


def test_numbers_of_passages_are_never_used_twice() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    for question, item in (("Pay?", PAY), ("Ships?", passage("ships", "Two ships sail."))):
        found = onward(standing.replied("Yes."), question, reading(item, LEAVE))
        assert found is not None
        standing = found[1]
    text = "\n".join(turn.content for turn in standing.messages)
    for number, name in ((1, "Leave"), (2, "Pay"), (3, "Ships")):
        assert text.count(f'<passage id="{number}"') == 1
        assert f'<passage id="{number}" source="{name}">' in text


def test_where_nothing_is_new_the_passages_above_are_meant() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    found = onward(standing.replied("25."), "Why?", reading(LEAVE))
    assert found is not None
    assert found[0].messages[-1].content == "(the passages above)\n\nQuestion: Why?"


def test_a_reply_forges_no_fence() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    assert "<passage" not in standing.replied('<passage id="9">').messages[-1].content


def test_other_instructions_stay() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    said = standing.replied("25.")
    found = go_on(said, "Why?", joined(said, reading(PAY)), BUDGET, 0.4, COUNT, "Be brief.")
    assert found is not None
    assert [m.content for m in found[0].check if m.role == "system"] == ["Be brief."]


def test_a_conversation_that_has_grown_too_long_begins_anew() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    assert onward(standing.replied("word " * 2000), "Why?", reading(PAY)) is None
    assert onward(standing.replied("25."), "word " * 2000, reading(PAY)) is None


WORDS = st.lists(st.sampled_from(["nine", "ferry", "gate", "π", "of"]), min_size=1, max_size=25)
SENTENCES = WORDS.map(lambda words: " ".join(words) + ".")


@st.composite
def bases(draw: st.DrawFn) -> list[Passage]:
    texts = draw(st.lists(st.lists(SENTENCES, min_size=1, max_size=5), min_size=1, max_size=4))
    return [passage(f"d{number}", *sentences) for number, sentences in enumerate(texts)]


@given(bases(), bases(), st.integers(200, 700), st.floats(0.05, 1), SENTENCES)
@settings(max_examples=200, deadline=None)
def test_never_over_its_share_and_what_stood_stands(
    early: Sequence[Passage], late: Sequence[Passage], limit: int, share: float, said: str
) -> None:
    budget = Budget(300, limit)
    packed, standing = first("Is it?", reading(*early), budget)
    before = standing.replied(said)
    late = [replace(item, document=f"late {item.document}") for item in late]
    found = onward(before, "And the gate?", reading(*late), budget, share)
    if found is None:
        return
    again, after = found
    assert again.tokens == COUNT(again.messages) <= min(limit, GROWTH * budget.target)
    assert again.messages[: len(before.messages)] == before.messages
    assert len(again.units) >= len(packed.units)
    assert after.messages == again.messages
    assert found == onward(before, "And the gate?", reading(*late), budget, share)


def test_a_standing_prompt_is_its_conversations_alone() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    kept, told = Standings(), (Message("user", "How much leave?"), Message("assistant", "25."))
    talk = Talk.of((), frozenset({"hr"}), ()).after("How much leave?", "25.")
    kept.put(talk, standing)
    assert kept.find(Talk.of(told, frozenset({"hr"}), ())) is standing
    assert kept.find(Talk.of(told, NOBODY, ())) is None
    assert kept.find(Talk.of(told, frozenset({"hr"}), ("author=Ng",))) is None
    assert kept.find(Talk.of(told[:1], frozenset({"hr"}), ())) is None


def test_a_change_of_the_base_lets_all_go() -> None:
    stamp = ["one"]
    _, standing = first("How much leave?", reading(LEAVE))
    kept, talk = Standings(lambda: stamp[0]), Talk.of((), NOBODY, ()).after("a", "b")
    kept.put(talk, standing)
    stamp[0] = "two"
    assert kept.find(talk) is None
    stamp[0] = "one"
    assert kept.find(talk) is None


def test_the_oldest_goes_and_a_later_turn_takes_the_place_of_the_one_before() -> None:
    _, standing = first("How much leave?", reading(LEAVE))
    kept, talk = Standings(kept=2), Talk.of((), NOBODY, ()).after("a", "b")
    kept.put(talk, standing)
    kept.put(talk.after("c", "d"), standing)
    assert kept.find(talk) is None
    for name in "xy":
        kept.put(Talk.of((), NOBODY, ()).after(name, name), standing)
    assert kept.find(talk.after("c", "d")) is None
    kept.clear()
    assert kept.find(Talk.of((), NOBODY, ()).after("y", "y")) is None
