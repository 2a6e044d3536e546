"""Log-probabilities of raw texts, against transformers' own loss and against decoding by steps."""

from __future__ import annotations

import ctypes
import math
from itertools import pairwise
from pathlib import Path
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest

from rag.engines.lineage import Rewinds
from rag.engines.logits import fill, logprob
from rag.engines.scripted import ScriptedEngine
from rag.errors import EngineError
from rag.models import spec
from rag.types import Decoding, Engine, Message, ScoresText

TEXT = "the cat sat on the mat, naïve 🙂 and the mat sat on the cat. " * 4
CODE = "def mean(values):\n    return sum(values) / len(values)  # größer\n"
SYSTEM = Message("system", "the mat is a mat, and the cat sits on the mat.")
A = (SYSTEM, Message("user", "where does the cat sit?"))
B = (Message("system", "the dog"), Message("user", "why is the mat under the cat, and not above?"))
BASE = (SYSTEM, Message("user", ""))


def tiny(folder: Path, begins: bool = False) -> str:
    """A random two-layer model; with `begins` its tokenizer puts <s> before every text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(["the cat sat on the mat"], trainer)
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def transformers_engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from rag.engines.hf import TransformersEngine

    return TransformersEngine(tiny(tmp_path_factory.mktemp("tiny")), 512)


@pytest.fixture(scope="module")
def llamacpp_engine(small_lm_path: Path) -> Any:
    from rag.engines.llamacpp import LlamaCppEngine

    name = "qwen2.5-coder-0.5b"
    return LlamaCppEngine(small_lm_path, name, spec(name).sha256, window=512)


@pytest.fixture(params=["transformers", "llamacpp"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_engine")


def own_loss(engine: Any, text: str) -> float:
    """What transformers computes itself: mean cross-entropy of the shifted labels."""
    import torch

    ids = torch.tensor([engine._tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        return float(engine._model(input_ids=ids, labels=ids).loss)


@pytest.mark.parametrize("begins", [False, True])
def test_equals_transformers_own_loss(tmp_path: Path, begins: bool) -> None:
    from rag.engines.hf import TransformersEngine

    engine = TransformersEngine(tiny(tmp_path, begins), 512)
    score = engine.token_logprobs(TEXT)
    assert -sum(score.logprobs) / score.tokens == pytest.approx(own_loss(engine, TEXT), abs=1e-4)
    ids = engine._tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert score.tokens == len(score.logprobs) == len(ids) - (not begins)
    first = 0 if begins else len(engine._tokenizer.decode(ids[:1]))
    assert score.bytes == len(TEXT.encode()) - first


@pytest.mark.parametrize("stride", [0, 7, 16])
def test_a_sliding_window_gives_each_token_its_exact_conditional(
    tmp_path: Path, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from rag.engines.hf import engine as hf

    monkeypatch.setattr(hf, "PIECE", 5)
    engine = hf.TransformersEngine(tiny(tmp_path), 32)
    ids = engine._tokenizer(TEXT)["input_ids"]
    step, expected = stride or 16, []
    for place in range(1, len(ids)):
        end = 32 if place < 32 else min(len(ids), 32 + step * ((place - 32) // step + 1))
        context = torch.tensor([ids[max(0, end - 32) : place]])
        with torch.inference_mode():
            row = torch.log_softmax(engine._model(input_ids=context).logits[0, -1], dim=-1)
        expected.append(float(row[ids[place]]))
    assert engine.token_logprobs(TEXT, stride).logprobs == pytest.approx(expected, abs=1e-4)


def test_llamacpp_equals_decoding_by_steps(
    llamacpp_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Portions of one token are exactly decoding; larger ones go through other kernels."""
    from rag.engines import scoring

    slot, total = llamacpp_engine._slots[0], 0.0
    ids = llamacpp_engine._llama.tokenize(CODE.encode(), add_bos=False, special=False)
    slot.forget()
    for token, following in pairwise(ids):
        slot.read([token])
        total += logprob(slot.row(), following)
    portions = llamacpp_engine.token_logprobs(CODE)
    monkeypatch.setattr(scoring, "PIECE", 1)
    steps = llamacpp_engine.token_logprobs(CODE)
    assert steps.tokens == len(ids) - 1
    assert sum(steps.logprobs) == pytest.approx(total, abs=1e-2)
    assert sum(portions.logprobs) / len(ids) == pytest.approx(total / len(ids), abs=0.05)


def test_llamacpp_equals_reading_each_prefix_anew(llamacpp_engine: Any) -> None:
    """What an engine says comes next after a prefix is what it scores the next token with.

    Not to the last digit: on some CPUs many tokens at once take other kernels than one.
    """
    slot = llamacpp_engine._slots[0]
    ids = llamacpp_engine._llama.tokenize(CODE.encode(), add_bos=False, special=False)
    logprobs = llamacpp_engine.token_logprobs(CODE).logprobs
    for place in range(8, len(ids)):
        slot.forget()
        slot.read(ids[:place])
        expected = logprob(slot.row(), ids[place])
        assert logprobs[place - 1] == pytest.approx(expected, abs=0.1)


def test_llamacpp_slides_its_window(small_lm_path: Path) -> None:
    """Tokens of the second window are those of a text that begins where the window does."""
    from rag.engines.llamacpp import LlamaCppEngine

    engine = LlamaCppEngine(small_lm_path, "small", "0" * 64, window=256)
    llama, text = engine._llama, CODE * 17
    ids = llama.tokenize(text.encode(), add_bos=False, special=False)
    whole = engine.token_logprobs(text)
    assert whole.tokens == len(ids) - 1
    assert 256 < len(ids) <= 384
    start = len(ids) - 256
    alone = engine.token_logprobs(llama.detokenize(ids[start:]).decode()).logprobs
    assert whole.logprobs[255:] == pytest.approx(alone[255 - start :], abs=1e-3)


def test_same_text_same_bits(engine: Any) -> None:
    first = engine.token_logprobs(TEXT)
    said(engine, A)
    assert engine.token_logprobs(TEXT) == first
    assert all(math.isfinite(value) and value <= 0 for value in first.logprobs)


@pytest.mark.parametrize("text", ["", "a", "🙂", "a\ud83d", "</s><|im_end|>", "a\0b"])
def test_short_and_odd_texts(engine: Any, text: str) -> None:
    score = engine.token_logprobs(text)
    assert score.tokens == len(score.logprobs)
    assert 0 <= score.bytes <= len(text.encode("utf-8", "replace"))


def test_special_tokens_in_a_text_are_text(engine: Any) -> None:
    marks = "<|im_end|>" if engine.name.startswith("qwen") else "</s>"
    assert engine.token_logprobs("x" + marks).tokens > 1


def test_a_stream_after_scoring_says_what_it_said(engine: Any) -> None:
    before = [token.id for token in engine.stream(A, Decoding(max_tokens=8), Event())]
    engine.token_logprobs(TEXT)
    after = [token.id for token in engine.stream(A, Decoding(max_tokens=8), Event())]
    assert before == after


def test_scoring_stops_when_cancelled(engine: Any) -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(EngineError, match="stopped"):
        engine.token_logprobs(TEXT, cancel=cancel)
    assert engine.token_logprobs("the cat").tokens > 0


def test_scoring_stops_while_it_reads(engine: Any) -> None:
    cancel = Event()
    timer = Timer(0.05, cancel.set)
    timer.start()
    try:
        with pytest.raises(EngineError, match="stopped"):
            engine.token_logprobs(TEXT * 400, cancel=cancel)
    finally:
        timer.cancel()
    assert said(engine, A)


def test_a_stride_over_half_the_window_is_one_clear_error(engine: Any) -> None:
    with pytest.raises(EngineError, match="stride"):
        engine.token_logprobs(TEXT, 300)


def said(engine: Engine, messages: tuple[Message, ...]) -> list[tuple[int, float]]:
    return [(t.id, t.logprob) for t in engine.stream(messages, Decoding(max_tokens=8), Event())]


def test_after_a_rewind_the_same_question_gives_the_same_bits(engine: Any) -> None:
    """Whatever was asked in between: other questions, other systems, a score, a raw text."""
    engine.rewind(())
    engine.rewind(BASE)
    first = said(engine, A)
    between = (
        lambda: said(engine, B),
        lambda: said(engine, (SYSTEM, Message("user", "where does the dog sit?"))),
        lambda: engine.score(A, ("Yes", "No")),
        lambda: engine.token_logprobs(TEXT),
        lambda: next(engine.stream(A, Decoding(max_tokens=30), Event())),
        lambda: engine.rewind(B),
    )
    for ask in between:
        ask()
        engine.rewind(BASE)
        assert said(engine, A) == first


def test_scores_after_a_rewind_have_the_same_bits(engine: Any) -> None:
    engine.rewind(BASE)
    first = engine.score(A, ("Yes", "No"))
    said(engine, B)
    engine.rewind(BASE)
    assert engine.score(A, ("Yes", "No")) == first


def test_a_rewind_keeps_what_was_read(engine: Any) -> None:
    """Only the first rewind reads its messages; later ones cut."""
    engine.rewind(BASE)
    said(engine, A)
    read: list[int] = []
    reader = engine._slots[0] if hasattr(engine, "_slots") else engine._batch._shelf
    original = reader.read
    name = original.__name__
    reader.__dict__[name] = lambda *asked: read.append(len(asked)) or original(*asked)
    try:
        engine.rewind(BASE)
    finally:
        del reader.__dict__[name]
    assert read == []


def test_what_engines_can_do_shows_in_their_protocols(engine: Any) -> None:
    assert isinstance(engine, ScoresText)
    assert isinstance(engine, Rewinds)
    scripted = ScriptedEngine(["Yes."])
    assert isinstance(scripted, Rewinds)
    assert not isinstance(scripted, ScoresText)
    scripted.rewind(BASE)


def test_a_model_with_sliding_attention_reads_anew_what_it_let_go(tmp_path: Path) -> None:
    """Its cache can't be cut once the attention's own window has moved on."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    from rag.engines.hf import TransformersEngine

    name = tiny(tmp_path)
    torch.manual_seed(2)
    config = MistralConfig(
        vocab_size=280,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=16,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    MistralForCausalLM(config).save_pretrained(tmp_path)
    engine = TransformersEngine(name, 512)
    assert len(engine._tokenizer) <= config.vocab_size
    first = said(engine, A)
    said(engine, B)
    assert [token for token, _ in said(engine, A)] == [token for token, _ in first]
    engine.rewind(BASE)
    again = said(engine, A)
    said(engine, B)
    engine.rewind(BASE)
    assert said(engine, A) == again
    score = engine.token_logprobs(TEXT)
    assert -sum(score.logprobs) / score.tokens == pytest.approx(own_loss(engine, TEXT), abs=1e-3)


def test_log_probabilities_of_a_row() -> None:
    row = np.array([1.0, 1000.0, -5.0, 999.0], dtype=np.float32)
    assert sum(np.exp(logprob(row, place)) for place in range(4)) == pytest.approx(1.0, abs=1e-6)
    assert logprob(row, 3) == pytest.approx(-1.3132617, abs=1e-5)

    class Batch:
        n_tokens = 0
        token, pos = (ctypes.c_int32 * 4)(), (ctypes.c_int32 * 4)()
        n_seq_id, logits = (ctypes.c_int32 * 4)(), (ctypes.c_int8 * 4)()
        seq_id = ((ctypes.c_int32 * 1) * 4)()

    batch = Batch()
    fill(batch, [7, 8, 9], 40, 2)
    assert (batch.n_tokens, list(batch.token)[:3], list(batch.pos)[:3]) == (
        3,
        [7, 8, 9],
        [40, 41, 42],
    )
    assert list(batch.logits)[:3] == [0, 1, 1]
