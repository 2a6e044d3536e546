"""Streams side by side say what they say one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.engines.hf import TransformersEngine
from rag.errors import EngineError
from rag.types import Decoding, Message

WORDS = ("the", "cat", "sat", "on", "mat", "dog", "why", "never", "42", "naïve")
SYSTEM = Message("system", "the cat sat on the mat and said nothing at all to the dog.")
CLOSE = 1e-4

prompts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)
decodings = st.builds(
    Decoding,
    max_tokens=st.integers(1, 24),
    temperature=st.sampled_from([0.0, 0.0, 0.7, 1.3]),
    top_k=st.sampled_from([0, 5, 40]),
    top_p=st.sampled_from([0.8, 1.0]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.3]),
    seed=st.integers(0, 99),
)
Asked = list[tuple[str, Decoding]]


@pytest.fixture(scope="module")
def engines(tiny_lm: str) -> Iterator[tuple[Any, Any]]:
    """One that decodes one stream at a time, and one that decodes five."""
    one = TransformersEngine(tiny_lm, 512, slots=1)
    return one, TransformersEngine(tiny_lm, 512, slots=5)


def ask(engine: Any, text: str, decoding: Decoding, cancel: Event | None = None) -> list[Any]:
    messages = (SYSTEM, Message("user", text))
    return list(engine.stream(messages, decoding, cancel or Event()))


def side_by_side(engine: Any, asked: Sequence[tuple[str, Decoding]]) -> list[list[Any]]:
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: ask(engine, *one), asked))


def same(left: list[Any], right: list[Any]) -> bool:
    texts = [(t.id, t.text) for t in left] == [(t.id, t.text) for t in right]
    return texts and [t.logprob for t in left] == pytest.approx(
        [t.logprob for t in right], abs=CLOSE
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(prompts, decodings), min_size=2, max_size=9))
def test_side_by_side_is_one_by_one(engines: tuple[Any, Any], asked: Asked) -> None:
    """Token for token. Greedy ties within float32's last bits could differ; here there are none."""
    one, many = engines
    expected = [ask(one, *each) for each in asked]
    for left, right in zip(expected, side_by_side(many, asked), strict=True):
        assert same(left, right)


def test_batches_really_share_steps(tiny_lm: str) -> None:
    engine: Any = TransformersEngine(tiny_lm, 512, slots=8)
    conversations = [[SYSTEM, Message("user", word)] for word in WORDS[:8]]
    decoding, said = Decoding(max_tokens=40), 0
    for _ in engine.stream_all(conversations, decoding, Event()):
        said += 1
    assert said > 3 * engine._batch.steps


def test_from_one_thread_equals_one_by_one(engines: tuple[Any, Any]) -> None:
    one, many = engines
    decoding = Decoding(max_tokens=20)
    found: dict[int, list[int]] = {index: [] for index in range(len(WORDS))}
    conversations = [[SYSTEM, Message("user", word)] for word in WORDS]
    for index, token, _ in many.stream_all(conversations, decoding, Event()):
        found[index].append(token)
    for index, word in enumerate(WORDS):
        assert found[index] == [t.id for t in ask(one, word, decoding) if t.id >= 0]


def test_side_by_side_is_generate(engines: tuple[Any, Any]) -> None:
    _, many = engines
    asked = [(word, Decoding(max_tokens=16)) for word in WORDS]
    for (word, _), said in zip(asked, side_by_side(many, asked), strict=True):
        prompt = torch.tensor([many._encode((SYSTEM, Message("user", word)))])
        whole = many._model.generate(prompt, max_new_tokens=16, do_sample=False)
        expected = [i for i in whole[0, prompt.shape[1] :].tolist() if i != 1]
        assert [t.id for t in said if t.id >= 0] == expected


def test_long_prompts_are_read_in_portions_between_the_others_tokens(
    engines: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = engines
    monkeypatch.setattr(many._batch, "_portion", 16)
    asked = [(" ".join(WORDS[i:] * 6), Decoding(max_tokens=12)) for i in range(5)]
    expected = [ask(one, *each) for each in asked]
    for left, right in zip(expected, side_by_side(many, asked), strict=True):
        assert same(left, right)


def test_one_cancelled_stream_leaves_the_others_alone(engines: tuple[Any, Any]) -> None:
    one, many = engines
    decoding = Decoding(max_tokens=30)
    cancel = Event()
    messages = (SYSTEM, Message("user", "the dog"))
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(ask, many, "why", decoding)
        taken = []
        for token in many.stream(messages, decoding, cancel):
            taken.append(token)
            if len(taken) == 3:
                cancel.set()
        assert len([t for t in taken if t.id >= 0]) == 3
        assert same(other.result(), ask(one, "why", decoding))


def test_a_slow_reader_holds_up_nobody(engines: tuple[Any, Any]) -> None:
    one, many = engines
    slow = many.stream((SYSTEM, Message("user", "cat")), Decoding(max_tokens=64), Event())
    first = next(slow)
    quick = ask(many, "dog", Decoding(max_tokens=40))
    assert same(quick, ask(one, "dog", Decoding(max_tokens=40)))
    assert same([first, *slow], ask(one, "cat", Decoding(max_tokens=64)))


def test_more_streams_than_rows_all_end(engines: tuple[Any, Any]) -> None:
    _, many = engines
    replies = side_by_side(many, [(word, Decoding(max_tokens=8)) for word in WORDS * 3])
    assert len(replies) == 30
    assert all(replies)


def test_a_score_is_the_same_beside_streams(engines: tuple[Any, Any]) -> None:
    one, many = engines
    messages = (SYSTEM, Message("user", "sat on"))
    expected = one.score(messages, ("Yes", "No"))
    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(ask, many, w, Decoding(max_tokens=40)) for w in WORDS[:3]]
        found = [many.score(messages, ("Yes", "No")) for _ in range(5)]
        assert all(stream.result() for stream in streams)
    assert all(each == pytest.approx(expected, abs=CLOSE) for each in found)


def test_the_known_beginning_is_not_read_again(tiny_lm: str) -> None:
    """A second row takes the system part from the first, by copying."""
    engine: Any = TransformersEngine(tiny_lm, 512, slots=3)
    shelf, read = engine._batch._shelf, []
    original = shelf.read
    shelf.read = lambda row, known, ids, keep: (
        read.append(len(ids)),
        original(row, known, ids, keep),
    )[1]
    opened = engine.stream((SYSTEM, Message("user", "cat")), Decoding(max_tokens=9), Event())
    next(opened)
    whole, read[:] = read[0], []
    ask(engine, "dog", Decoding(max_tokens=2))
    assert read[0] < whole / 2


class Full:
    """A shelf that runs out of memory, as a GPU would, when too much is asked of it at once."""

    def __init__(self, shelf: Any, rows: int, tokens: int) -> None:
        self.__dict__.update(_shelf=shelf, _rows=rows, _tokens=tokens)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shelf, name)

    def read(self, row: int, known: int, ids: Sequence[int], keep: int) -> Any:
        if len(ids) > self._tokens:
            raise torch.OutOfMemoryError("no memory for the prompt")
        return self._shelf.read(row, known, ids, keep)

    def step(self, ends: Sequence[int], ids: Any) -> Any:
        if len(ids) > self._rows:
            raise torch.OutOfMemoryError("no memory for the step")
        return self._shelf.step(ends, ids)


@pytest.mark.parametrize(("rows", "tokens"), [(2, 512), (1, 512), (1, 40)])
def test_out_of_memory_means_smaller_batches(tiny_lm: str, rows: int, tokens: int) -> None:
    one: Any = TransformersEngine(tiny_lm, 512, slots=1)
    many: Any = TransformersEngine(tiny_lm, 512, slots=5)
    many._batch._shelf = Full(many._batch._shelf, rows, tokens)
    asked = [
        (word, Decoding(max_tokens=24, temperature=heat))
        for word, heat in zip(WORDS[:6], (0.0, 0.8) * 3, strict=True)
    ]
    expected = [ask(one, *each) for each in asked]
    for left, right in zip(expected, side_by_side(many, asked), strict=True):
        assert same(left, right)
    assert many.slots <= rows + 1


def test_out_of_memory_with_nothing_left_to_give_is_one_clear_error(tiny_lm: str) -> None:
    engine: Any = TransformersEngine(tiny_lm, 512, slots=2)
    shelf = engine._batch._shelf
    engine._batch._shelf = Full(shelf, 0, 3)
    with pytest.raises(EngineError, match="out of GPU memory"):
        ask(engine, "cat", Decoding())
    engine._batch._shelf = shelf
    assert ask(engine, "cat", Decoding(max_tokens=4))


def test_a_failing_model_fails_its_streams_and_no_later_one(tiny_lm: str) -> None:
    engine: Any = TransformersEngine(tiny_lm, 512, slots=2)
    original = engine._batch._shelf.read

    def broken(*_: object) -> None:
        raise RuntimeError("a kernel failed\nand said more")

    engine._batch._shelf.read = broken
    with pytest.raises(EngineError, match=r"a kernel failed$"):
        ask(engine, "cat", Decoding())
    engine._batch._shelf.read = original
    assert ask(engine, "cat", Decoding(max_tokens=4))


def test_waiting_ends_when_cancelled(tiny_lm: str) -> None:
    engine: Any = TransformersEngine(tiny_lm, 512, slots=1)
    held = engine.stream((SYSTEM, Message("user", "cat")), Decoding(max_tokens=64), Event())
    next(held)
    cancel = Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, engine, "dog", Decoding(), cancel)
        time.sleep(0.1)
        cancel.set()
        assert waiting.result(timeout=5) == []
    held.close()
    assert ask(engine, "dog", Decoding(max_tokens=4))
