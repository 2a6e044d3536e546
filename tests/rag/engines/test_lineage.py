"""A prompt cache comes back to the very state it was in, and answers have the same bits again."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.lineage import (
    Replays,
    Run,
    Start,
    alone,
    best_slot,
    common,
    cut,
    packed,
    start_of,
    token_hash,
    unpacked,
)
from rag.engines.scripted import ScriptedEngine
from rag.errors import EngineError
from rag.models import spec
from rag.speak import Stops
from rag.types import Decoding, Message

NAME = "qwen2.5-coder-0.5b"
SYSTEM = Message("system", "You answer in one short sentence, from what you are told.")
FIRST = (SYSTEM, Message("user", "The ferry to Skarra leaves at 07:40 and at 16:15. When?"))
OTHER = (SYSTEM, Message("user", "Rafts are checked in June, and life jackets in May. Which?"))

RUNS = st.lists(
    st.integers(1, 600).flatmap(
        lambda size: st.builds(Run, kept=st.integers(1, size), size=st.just(size))
    ),
    max_size=12,
)


def kept(runs: list[Run]) -> int:
    return sum(run.kept for run in runs)


@given(RUNS)
def test_what_is_packed_is_unpacked(runs: list[Run]) -> None:
    assert list(unpacked(packed(runs))) == runs


@pytest.mark.parametrize("row", [[0, 1, 1], [3, 2, 1], [1, 1, 0], [-1, 4, 2]])
def test_a_lineage_that_cannot_be_is_refused(row: list[int]) -> None:
    with pytest.raises(ValueError, match="can't hold"):
        unpacked([row])


@given(RUNS, st.integers(0, 4000))
def test_a_cut_keeps_the_sizes_of_what_was_read_at_once(runs: list[Run], tokens: int) -> None:
    left = cut(runs, tokens)
    assert kept(left) == min(tokens, kept(runs))
    assert [run.size for run in left] == [run.size for run in runs[: len(left)]]
    assert common(runs, left) == kept(left)


@given(RUNS, RUNS)
def test_what_is_common_is_a_cut_of_the_held_and_whole_runs_of_the_wanted(
    held: list[Run], wanted: list[Run]
) -> None:
    tokens = common(held, wanted)
    same = cut(wanted, tokens)
    assert same == wanted[: len(same)]
    assert cut(held, tokens) == same


@given(st.integers(1, 3000), st.integers(1, 512))
def test_alone_is_read_in_whole_portions(tokens: int, portion: int) -> None:
    runs = alone(tokens, portion)
    assert kept(runs) == tokens
    assert all(run.size == portion for run in runs[:-1])


@pytest.mark.parametrize(
    ("shares", "used", "place"),
    [
        ((300, 110), (1, 2), 0),
        ((110, 0), (1, 0), 1),
        ((110, 110), (5, 4), 1),
        ((250, 250), (1, 2), 0),
        ((0,), (7,), 0),
    ],
    ids=["its own", "an empty one", "the oldest", "a tie", "the only one"],
)
def test_a_conversation_finds_its_cache(
    shares: tuple[int, ...], used: tuple[int, ...], place: int
) -> None:
    assert best_slot(shares, used, 400) == place


def test_hashes_of_tokens_are_of_their_ids() -> None:
    assert token_hash([1, 2]) != token_hash([2, 1])
    assert token_hash([1]) == token_hash((1,))


@pytest.fixture(scope="module")
def engine(small_lm_path: Path) -> Any:
    from rag.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(small_lm_path, NAME, spec(NAME).sha256, 512, 1)


@pytest.fixture(scope="module")
def two(small_lm_path: Path) -> Any:
    from rag.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(small_lm_path, NAME, spec(NAME).sha256, 512, 1, slots=2)


def said(engine: Any, messages: tuple[Message, ...], **how: Any) -> list[tuple[str, float]]:
    decoding = Decoding(**{"max_tokens": 6, **how})
    return [(t.text, t.logprob) for t in engine.stream(messages, decoding, Event())]


def reply(tokens: list[tuple[str, float]]) -> Message:
    return Message("assistant", "".join(text for text, _ in tokens))


def test_the_same_prompt_after_another_past_differs_until_its_state_is_restored(
    engine: Any,
) -> None:
    """Without the lineage this fails: what was decoded word by word reads otherwise at once."""
    engine.rewind(())
    follow_up = (*FIRST, reply(said(engine, FIRST)), Message("user", "And the other one?"))
    then = said(engine, follow_up)
    start = engine.began()
    assert start.cached > 40
    engine.rewind(())
    anew = said(engine, follow_up)
    assert [text for text, _ in anew] == [text for text, _ in then]
    assert anew != then
    said(engine, OTHER)
    engine.restore(follow_up, start)
    assert said(engine, follow_up) == then
    assert engine.began() == start


def test_a_prompt_that_cut_another_is_restored(engine: Any) -> None:
    """What stood behind the cut is made up on the way back: only how much it was is known."""
    engine.rewind(())
    said(engine, (*FIRST, Message("assistant", "At 07:40."), Message("user", "Why so early?")))
    then, start = said(engine, FIRST), engine.began()
    assert any(run.kept < run.size for run in start.runs)
    engine.rewind(())
    engine.restore(FIRST, start)
    assert said(engine, FIRST) == then


@pytest.mark.parametrize("how", [{"temperature": 0.9, "seed": 7}, {"repetition_penalty": 1.3}])
def test_samples_come_again_with_their_seed(engine: Any, how: dict[str, Any]) -> None:
    said(engine, OTHER)
    then, start = said(engine, FIRST, **how), engine.began()
    said(engine, OTHER)
    engine.restore(FIRST, start)
    assert said(engine, FIRST, **how) == then


def test_a_score_begins_where_it_began(engine: Any) -> None:
    said(engine, OTHER)
    then, start = engine.score(FIRST, ("At", "No")), engine.began()
    said(engine, FIRST)
    engine.restore(FIRST, start)
    assert engine.score(FIRST, ("At", "No")) == then


def test_a_state_of_another_prompt_is_one_clear_error(engine: Any) -> None:
    with pytest.raises(EngineError, match="can't begin with 999"):
        engine.restore(FIRST, Start((Run(999, 999),), 1000, "0" * 64))


def test_two_conversations_keep_their_beginnings_side_by_side(two: Any) -> None:
    two.rewind(())
    for messages in (FIRST, OTHER, FIRST, OTHER):
        said(two, messages)
        start = two.began()
    assert start.cached == start.prompt - 1
    then = said(two, FIRST)
    start = two.began()
    two.restore(FIRST, start)
    assert said(two, FIRST) == then
    assert two.began() == start


def test_one_conversation_alone_would_have_lost_it(engine: Any) -> None:
    engine.rewind(())
    for messages in (FIRST, OTHER, FIRST, OTHER):
        said(engine, messages)
    start = engine.began()
    assert start.cached < start.prompt - 10


def test_after_a_rewind_two_caches_are_as_one(two: Any) -> None:
    two.rewind((SYSTEM,))
    then = said(two, OTHER)
    said(two, FIRST)
    two.score(OTHER, ("Yes", "No"))
    two.rewind((SYSTEM,))
    assert said(two, OTHER) == then


def test_a_score_that_is_stopped_says_so_and_keeps_what_was_read(engine: Any) -> None:
    said(engine, FIRST)
    cancel, long = Event(), (SYSTEM, Message("user", "life jackets and rafts " * 80))
    timer = Timer(0.05, cancel.set)
    timer.start()
    with pytest.raises(EngineError, match="stopped"):
        engine.score_until(long, ("Yes", "No"), cancel)
    timer.cancel()
    assert engine.score(FIRST, ("At", "No"))
    assert engine.began().cached > 10


def test_who_replays_shows_in_the_protocols(engine: Any) -> None:
    assert isinstance(engine, Replays)
    assert isinstance(engine, Stops)
    assert start_of(ScriptedEngine(["Yes."])) is None
