"""Earlier turns: never over their share, newest longest, verbatim, and mostly only added to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.engines.scripted import ScriptedEngine
from rag.history import GAP, STEP, Fitted, facts_of, fit_history, is_salient
from rag.types import Fact, Message, Recalled

COUNT = ScriptedEngine(["-"]).count_tokens
LARGE = 10**6

SENTENCES = st.sampled_from(
    [
        "Up to 5 days can be carried over.",
        "That is as Fiona Maclure says.",
        "Call <PHONE_NUMBER> for it.",
        "It is often so.",
        "Most people like it very much, and say so on every occasion that they get.",
        "The fee is £4.50 in May.",
        "I don't know: the documents don't answer this. Nearest were: Price List 2026.",
    ]
)
ASKED = st.sampled_from(["How many days?", "And in London?", "Thanks. What about Fiona?", "Why?"])


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, Message]:
    said = draw(st.lists(SENTENCES, min_size=1, max_size=6))
    question = Message("user", draw(ASKED))
    if draw(st.booleans()):
        return question, Message("assistant", " ".join(said))
    sources = st.sampled_from(["", "Leave", "Travel"])
    facts = tuple(Fact(text, draw(sources)) for text in said)
    return question, Recalled("assistant", " ".join(said), 1, facts)


TALKS = st.lists(turns(), max_size=12)
ROOMS = st.integers(0, 250)


def flat(talk: Sequence[tuple[Message, ...]]) -> list[Message]:
    return [message for turn in talk for message in turn]


def content(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


@given(TALKS, ROOMS, ROOMS)
@settings(max_examples=200)
def test_never_over_its_share_and_the_same_again(talk: list, room: int, most: int) -> None:  # type: ignore[type-arg]
    fitted = fit_history(flat(talk), room, most, COUNT)
    assert COUNT(fitted.messages) <= min(room, most)
    assert fit_history(flat(talk), room, most, COUNT) == fitted
    assert all(type(message) is Message for message in fitted.messages)


def numbered(talk: Sequence[tuple[Message, Message]]) -> list[tuple[Message, Message]]:
    """The turns with their numbers, as a stored conversation has them."""
    return [
        (question, Recalled("assistant", said.content, n, facts_of(said)))
        for n, (question, said) in enumerate(talk, 1)
    ]


def forms(talk: Sequence[object], fitted: Fitted) -> dict[int, tuple[Message, ...]]:
    """What each turn that stayed has come to, by its number."""
    gone = {row.turn for row in fitted.dropped if not row.kept}
    stays = [n for n in range(1, len(talk) + 1) if n not in gone]
    assert len(fitted.messages) == 2 * len(stays)
    return {n: fitted.messages[2 * at : 2 * at + 2] for at, n in enumerate(stays)}


@given(TALKS, ROOMS)
@settings(max_examples=200)
def test_the_newest_turns_stay_longest_and_every_loss_is_told(talk: list, room: int) -> None:  # type: ignore[type-arg]
    talk = numbered(talk)
    fitted = fit_history(flat(talk), room, LARGE, COUNT)
    found = forms(talk, fitted)
    told = {row.turn: row for row in fitted.dropped}
    for n, turn in enumerate(talk, 1):
        size = COUNT(turn)
        if n not in told:
            assert content(found[n]) == content(turn)
        else:
            assert told[n].tokens + told[n].kept == size
            assert told[n].tokens > 0
    # Of older turns only those stay away that hold no fact, or none that is small enough.
    for n in range(min(found, default=LARGE), len(talk) + 1):
        facts = (fact.text for message in talk[n - 1] for fact in facts_of(message))
        too_long = COUNT(talk[n - 1]) > int(room * STEP)
        assert n in found or too_long or not any(map(is_salient, facts))
    if talk and COUNT(talk[-1]) <= room:
        assert len(talk) not in told


@given(TALKS, ROOMS)
@settings(max_examples=200)
def test_what_is_kept_of_a_turn_is_kept_verbatim(talk: list, room: int) -> None:  # type: ignore[type-arg]
    fitted = fit_history(flat(talk), room, LARGE, COUNT)
    known = {fact.text for turn in talk for message in turn for fact in facts_of(message)}
    for message in fitted.messages:
        if content([message])[0] in content(flat(talk)):
            continue
        for part in message.content.split(GAP):
            sentence = part.partition("] ")[2] if part.startswith("[") else part
            assert sentence in known


@given(TALKS, st.integers(40, 250))
@settings(max_examples=200)
def test_a_follow_up_adds_or_is_a_step(talk: list, room: int) -> None:  # type: ignore[type-arg]
    """A step leaves room unless the newest turn takes it; what is compressed never changes again,
    and what has gone does not come back."""
    talk, before, low = numbered(talk), (), int(room * STEP)
    known: dict[int, tuple[Message, ...]] = {}
    for n in range(1, len(talk) + 1):
        fitted = fit_history(flat(talk[:n]), room, LARGE, COUNT)
        if fitted.messages[: len(before)] != before:
            assert COUNT(fitted.messages) <= low or COUNT(talk[n - 1]) > low
        found, short = forms(talk[:n], fitted), {row.turn for row in fitted.dropped if row.kept}
        assert set(found) <= {*known, n}
        assert all(form == known.get(m, form) for m, form in found.items() if m not in short)
        assert all(
            known[m] in (form, content_of(talk[m - 1])) for m, form in found.items() if m < n
        )
        known, before = found, fitted.messages


def content_of(turn: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(Message(message.role, message.content) for message in turn)


def test_most_follow_ups_only_add() -> None:
    talk = [
        (Message("user", f"How about {n}?"), Message("assistant", "It costs £4. " * 3))
        for n in range(60)
    ]
    room, before, steps = 20 * COUNT(talk[0]), (), 0
    for n in range(1, len(talk) + 1):
        now: tuple[Message, ...] = fit_history(flat(talk[:n]), room, LARGE, COUNT).messages
        steps += now[: len(before)] != before
        before = now
    assert steps <= 6


def test_facts_carry_their_sources_and_the_rest_goes() -> None:
    facts = (
        Fact("Sure, let me look at what they all have to say on that" + ", and on that" * 20),
        Fact("Up to 5 days can be carried over.", "Annual Leave"),
        Fact("Fiona Maclure agrees to 3.", "Annual Leave"),
        Fact("It costs £4.50.", "Prices"),
    )
    said = Recalled("assistant", " ".join(fact.text for fact in facts), 7, facts)
    old = (Recalled("user", "And days?", 7), said)
    new = (Message("user", "Why?"), Message("assistant", "It is so. " * 8))
    fitted = fit_history([*old, *new], COUNT([*old, *new]) - 1, LARGE, COUNT)
    assert [message.content for message in fitted.messages[:2]] == [
        "And days?",
        "[Annual Leave] Up to 5 days can be carried over. … Fiona Maclure agrees to 3. … "
        "[Prices] It costs £4.50.",
    ]
    (row,) = fitted.dropped
    assert (row.what, row.turn, row.kept) == ("part of turn 7", 7, COUNT(fitted.messages[:2]))


@pytest.mark.parametrize(
    ("text", "salient"),
    [
        ("It opens at 9.", True),
        ("It opens at nine.", True),
        ("Ask Fiona about it.", True),
        ("Write to <EMAIL_ADDRESS>.", True),
        ("It opens early.", False),
        ("I don't know: the documents don't answer this. Nearest were: Prices 2026.", False),
    ],
)
def test_what_is_salient(text: str, salient: bool) -> None:
    assert is_salient(text) == salient


def test_one_long_question_does_not_change_what_comes_after() -> None:
    talk = [(Message("user", "How many?"), Message("assistant", "It is 5. " * 4))] * 3
    room = COUNT(flat(talk))
    narrow = fit_history(flat(talk), room, room // 2, COUNT)
    assert COUNT(narrow.messages) <= room // 2
    assert narrow.messages[-2:] == talk[-1]
    assert fit_history(flat(talk), room, LARGE, COUNT).messages == tuple(flat(talk))
