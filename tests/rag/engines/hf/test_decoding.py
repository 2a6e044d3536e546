"""Faster and wider ways of decoding say what the plain one says; choices are as they are named."""

from __future__ import annotations

import math
import shutil
from threading import Event
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.engines.hf import TransformersEngine
from rag.engines.hf.choose import chooser, likeliest, pick
from rag.engines.hf.load import load, rows, token_bytes
from rag.errors import EngineError
from rag.types import Decoding, Message

COPIED = "the cat sat on the mat on which the dog sat and the cat sat on the mat"
WORDS = st.lists(st.sampled_from(COPIED.split()), min_size=1, max_size=60).map(" ".join)


@pytest.fixture(scope="module")
def plain(tiny_lm: str) -> Any:
    return TransformersEngine(tiny_lm, 512)


@pytest.fixture(scope="module")
def guessing(tiny_lm: str) -> Any:
    return TransformersEngine(tiny_lm, 512, lookup=6)


def ask(engine: Any, text: str, **options: Any) -> list[Any]:
    decoding = Decoding(**{"max_tokens": 40, **options})
    return list(engine.stream([Message("user", text)], decoding, Event()))


def same(left: list[Any], right: list[Any]) -> bool:
    """The same tokens; equally likely, but for the last bits of float32."""
    near = [token.logprob for token in left] == pytest.approx(
        [token.logprob for token in right], abs=1e-4
    )
    return near and [(t.id, t.text) for t in left] == [(t.id, t.text) for t in right]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=WORDS,
    temperature=st.sampled_from([0.0, 0.0, 0.5]),
    penalty=st.sampled_from([1.0, 1.2]),
    limit=st.integers(1, 50),
)
def test_prompt_lookup_changes_no_word(
    plain: Any, guessing: Any, text: str, temperature: float, penalty: float, limit: int
) -> None:
    how = {"temperature": temperature, "repetition_penalty": penalty, "max_tokens": limit}
    assert same(ask(plain, text, **how), ask(guessing, text, **how))


def test_prompt_lookup_saves_steps_on_what_repeats(
    guessing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that goes through its prompt again and again is guessed right almost always."""
    batch = guessing._batch
    loop = guessing._encode([Message("user", COPIED)])
    original = batch._shelf.read

    def parrot(row: int, known: int, ids: list[int], keep: int) -> Any:
        logits = original(row, known, ids, keep)
        for place in range(keep):
            at = known + len(ids) - keep + place + 1
            logits[place, loop[at % len(loop)]] += 1000.0
        return logits

    monkeypatch.setattr(batch._shelf, "read", parrot)
    before = batch.steps
    said = [token.id for token in ask(guessing, COPIED, max_tokens=60) if token.id >= 0]
    assert len(said) > 3 * (batch.steps - before)


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_a_compiled_step_says_the_same(tiny_lm: str, plain: Any) -> None:
    engine = TransformersEngine(tiny_lm, 512, compiled="aot_eager")
    assert engine.slots == 1
    for text in ("the cat", COPIED, "the cat sat"):
        assert same(ask(plain, text), ask(engine, text))


def test_beams_find_what_generate_finds(plain: Any) -> None:
    messages = [Message("user", "the dog")]
    said = [t for t in ask(plain, "the dog", beams=4, max_tokens=12) if t.id >= 0]
    prompt = torch.tensor([plain._encode(messages)])
    whole = plain._model.generate(prompt, max_new_tokens=12, num_beams=4, do_sample=False)
    assert [t.id for t in said] == [i for i in whole[0, prompt.shape[1] :].tolist() if i != 1]
    assert all(token.logprob <= 0 and math.isfinite(token.logprob) for token in said)
    greedy = ask(plain, "the dog", max_tokens=12)
    assert sum(t.logprob for t in said) >= sum(t.logprob for t in greedy) - 1e-4


def test_beams_stop_when_cancelled(plain: Any) -> None:
    cancel = Event()
    cancel.set()
    decoding = Decoding(max_tokens=400, beams=4)
    assert list(plain.stream([Message("user", "the")], decoding, cancel)) == []
    assert ask(plain, "the")


def test_choices_keep_to_top_k_and_top_p() -> None:
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])
    for seed in range(30):
        hot = Decoding(temperature=5.0, top_k=2, seed=seed)
        assert pick(logits, hot, [], chooser(seed))[0] in {0, 1}
        narrow = Decoding(temperature=1.0, top_k=0, top_p=0.5, seed=seed)
        assert pick(logits, narrow, [], chooser(seed))[0] == 0


def test_a_repetition_penalty_counts_what_was_said() -> None:
    logits = torch.tensor([4.0, 3.0, -1.0])
    penalised = Decoding(repetition_penalty=2.0)
    assert pick(logits, penalised, [0], chooser(0))[0] == 1
    token, logprob = pick(logits, Decoding(), [0], chooser(0))
    assert (token, logprob) == (0, pytest.approx(float(torch.log_softmax(logits, -1)[0])))


@given(rows=st.lists(st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4), min_size=1))
def test_the_likeliest_are_those_of_the_softmax(rows: list[list[float]]) -> None:
    logits = torch.tensor(rows)
    expected = torch.log_softmax(logits, dim=-1).max(dim=-1)
    found = likeliest(logits)
    assert [value for _, value in found] == pytest.approx(expected.values.tolist(), abs=1e-4)
    assert all(rows[i][token] == max(rows[i]) for i, (token, _) in enumerate(found))


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing without a GPU")
@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
def test_quantising_without_a_gpu_is_one_clear_error(tiny_lm: str, quantize: str) -> None:
    with pytest.raises(EngineError, match="needs a GPU"):
        TransformersEngine(tiny_lm, 512, quantize=quantize)
    with pytest.raises(EngineError, match="not 4bit"):
        TransformersEngine(tiny_lm, 512, quantize="2bit")


def test_pickled_weights_are_not_read(tiny_lm: str, tmp_path: Any) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_lm, folder)
    model = load(tiny_lm).model
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(EngineError, match="cannot load"):
        TransformersEngine(str(folder), 512)


def test_sizes_follow_the_model(tiny_lm: str) -> None:
    model = load(tiny_lm).model
    assert token_bytes(model) == 2 * 2 * 2 * 8 * 4
    if model.device.type == "cpu":
        assert (rows(model, 0, 512), rows(model, 3, 512)) == (4, 3)
