"""The answer cache: what is the same question, what is kept, and when it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from ingest.build import ingest
from ingest.conditions import Condition
from ingest.forget import forget
from ingest.selection import Selection
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.answers import AnswerCache, AnswerKey, answer_key, index_stamp, repeatable
from rag.config import Config, GuardConfig, PromptConfig, ServeConfig
from rag.draft import STOPPED
from rag.engines.scripted import ScriptedEngine
from rag.types import Answer, Decoding, Message, ModelRef, TokenUse

ENGINE = ScriptedEngine(["Yes."])
ANSWER = Answer(
    "answered", "Yes.", (), (), (), TokenUse(1, 1, 9), {}, ModelRef("m", "0" * 64), "trace"
)
GREEDY = Decoding()
BASE: Mapping[str, Any] = {
    "question": "Who?",
    "index": "1",
    "config": Config(),
    "engine": ENGINE,
    "decoding": GREEDY,
}


def key(**changed: Any) -> AnswerKey:
    return answer_key(**{**BASE, **changed})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> AnswerCache:
    return AnswerCache(size=3, ttl_s=60, clock=clock)


@pytest.mark.parametrize(
    "same",
    [
        {"question": "  Who?\n"},
        {"config": Config(serve=ServeConfig(port=1))},
    ],
)
def test_the_same_question_has_the_same_key(same: dict[str, Any]) -> None:
    assert key(**same) == key()


def test_unicode_forms_are_the_same() -> None:
    assert key(question="Caf\u00e9?") == key(question="Cafe\u0301?")


@pytest.mark.parametrize(
    "other",
    [
        {"question": "who?"},
        {"question": "Who ?"},
        {"history": [Message("user", "Hello")]},
        {"groups": frozenset({"hr"})},
        {"where": (Condition("page", "2"),)},
        {"index": "2"},
        {"variant": "canary"},
        {"config": Config(prompt=PromptConfig(system="Be brief."))},
        {"config": Config(guard=GuardConfig(show=("PERSON",)))},
        {"engine": ScriptedEngine(["No."])},
        {"decoding": Decoding(max_tokens=9)},
        {"decoding": Decoding(seed=1)},
    ],
)
def test_whatever_an_answer_depends_on_makes_another_key(other: dict[str, Any]) -> None:
    cache = AnswerCache(3, 60)
    cache.put(key(), ANSWER)
    assert key(**other) != key()
    assert cache.get(key(**other)) is None


@pytest.mark.parametrize(
    ("answer", "decoding", "kept"),
    [
        (ANSWER, GREEDY, True),
        (replace(ANSWER, status="abstained", cause="no passage"), GREEDY, True),
        (replace(ANSWER, status="blocked"), GREEDY, False),
        (replace(ANSWER, cause=STOPPED), GREEDY, False),
        (replace(ANSWER, status="abstained", cause=STOPPED), GREEDY, False),
        (ANSWER, Decoding(temperature=0.1), False),
    ],
)
def test_only_what_would_be_the_same_again_is_kept(
    cache: AnswerCache, answer: Answer, decoding: Decoding, kept: bool
) -> None:
    assert repeatable(answer, decoding) is kept
    cache.put(key(decoding=decoding), answer)
    assert (cache.get(key(decoding=decoding)) is answer) is kept


def test_hits_and_misses_are_counted(cache: AnswerCache) -> None:
    cache.get(key())
    cache.put(key(), ANSWER)
    cache.get(key())
    cache.get(key())
    assert (cache.hits, cache.misses) == (2, 1)


def test_the_least_used_goes_first(cache: AnswerCache) -> None:
    for question in "abc":
        cache.put(key(question=question), ANSWER)
    cache.get(key(question="a"))
    cache.put(key(question="d"), ANSWER)
    assert [cache.get(key(question=each)) is not None for each in "abcd"] == [1, 0, 1, 1]
    assert len(cache) == 3


def test_an_answer_lives_for_its_time(cache: AnswerCache, clock: Clock) -> None:
    cache.put(key(), ANSWER)
    clock.now = 59.9
    assert cache.get(key()) is ANSWER
    clock.now = 60.0
    assert cache.get(key()) is None
    assert len(cache) == 0


def test_a_cache_of_no_size_keeps_nothing() -> None:
    cache = AnswerCache(0, 60)
    cache.put(key(), ANSWER)
    assert cache.get(key()) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.get(key(question="other", index="2")),
        lambda cache: cache.follow("2"),
        lambda cache: cache.clear(),
    ],
)
def test_a_change_of_the_base_clears_everything(
    cache: AnswerCache, change: Callable[[AnswerCache], object]
) -> None:
    cache.put(key(), ANSWER)
    change(cache)
    assert len(cache) == 0


def test_an_answer_of_an_earlier_index_comes_too_late(cache: AnswerCache) -> None:
    cache.get(key(index="2"))
    cache.put(key(index="2"), ANSWER)
    cache.put(key(index="1"), ANSWER)
    assert cache.get(key(index="2")) is ANSWER


def test_commit_forget_and_rollback_each_make_another_index(tmp_path: Path) -> None:
    docs, kb = tmp_path / "docs", tmp_path / "kb"
    docs.mkdir()
    stamps = []
    for number in range(2):
        (docs / f"{number}.md").write_text(f"# Note {number}\n\nFive days may be carried over.")
        ingest([docs], kb, HashEmbedder())
        stamps.append(index_stamp(kb))
    assert index_stamp(kb) == stamps[-1]
    KnowledgeBase.open(kb).rollback()
    stamps.append(index_stamp(kb))
    forget(kb, Selection((str(docs / "0.md"),)))
    stamps.append(index_stamp(kb))
    assert len(set(stamps)) == 4


def fly(cache: AnswerCache, make: Callable[[], Answer | None], cancel: Event | None = None) -> Any:
    with cache.flight(key, cancel or Event()) as flight:
        if flight.answer is not None:
            return flight.answer
        made = make()
        if made is not None:
            flight.land(made)
        return made


def test_what_is_asked_at_once_is_made_once(cache: AnswerCache) -> None:
    made: list[int] = []

    def make() -> Answer:
        made.append(1)
        time.sleep(0.05)
        return ANSWER

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: fly(cache, make), range(16)))
    assert answers == [ANSWER] * 16
    assert made == [1]
    assert (cache.hits, cache.misses) == (15, 1)


@pytest.mark.parametrize("fails", [True, False])
def test_if_the_first_makes_nothing_the_next_makes_its_own(cache: AnswerCache, fails: bool) -> None:
    made: list[int] = []

    def make() -> Answer | None:
        made.append(1)
        time.sleep(0.02)
        if len(made) > 1:
            return ANSWER
        if fails:
            raise RuntimeError("it broke")
        return replace(ANSWER, status="blocked")

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(fly, cache, make) for _ in range(4)]
    assert len(made) == 2
    assert sum(each.exception() is None and each.result() is ANSWER for each in asked) == 3


def test_who_leaves_does_not_wait_for_another(cache: AnswerCache) -> None:
    boarded, land, left = Event(), Event(), Event()

    def slow() -> Answer:
        boarded.set()
        land.wait(20)
        return ANSWER

    first = Thread(target=fly, args=(cache, slow))
    first.start()
    boarded.wait(20)
    left.set()
    assert fly(cache, lambda: None, left) is None
    land.set()
    first.join()
    assert cache.get(key()) is ANSWER


@pytest.mark.parametrize("how", ["commit", "clear"])
def test_an_answer_that_a_change_overtook_is_not_kept(cache: AnswerCache, how: str) -> None:
    index = ["1"]
    with cache.flight(lambda: key(index=index[0]), Event()) as flight:
        if how == "commit":
            index[0] = "2"
        else:
            cache.clear()
        flight.land(ANSWER)
    assert len(cache) == 0


def test_sampled_answers_fly_alone(cache: AnswerCache) -> None:
    sampled = key(decoding=Decoding(temperature=1.0))
    with cache.flight(lambda: sampled, Event()), cache.flight(lambda: sampled, Event()) as second:
        assert second.answer is None
    assert (cache.hits, cache.misses) == (0, 0)


def test_groups_never_share_an_answer(cache: AnswerCache) -> None:
    groups = [frozenset[str](), frozenset({"hr"}), frozenset({"law"}), frozenset({"hr", "law"})]
    for number, each in enumerate(groups[:3]):
        cache.put(key(groups=each), replace(ANSWER, text=str(number)))
    found = [cache.get(key(groups=each)) for each in groups]
    assert [each.text if each else None for each in found] == ["0", "1", "2", None]
