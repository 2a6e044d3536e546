"""The budget and the fences with the small model's own tokenizer and template."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.sentences import split_sentences
from rag.engines.llamacpp import LlamaCppEngine
from rag.engines.template import render_pieces
from rag.models import spec
from rag.prompt import CHECK, LEAST_PASSAGE_TOKENS, Budget, Packed, Unit, compose, pack
from rag.types import Message, Passage

pytestmark = pytest.mark.models

NAME = "qwen2.5-coder-0.5b"
TOKENS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_prefix|>", "<tool_call>", "</passage>",
]  # fmt: skip
WORDS = [
    "ferry", "Gate 9", "naïve", "e\u0301", "中文", "한국어", "🙂", "👩\u200d🔧", "🇬🇧", "नमस्ते",
    "\u202e", "0x7f", "zażółć", "don't", *TOKENS,
]  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join)
PROSE = st.lists(TEXT.map(lambda text: f"{text}."), min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def engine(small_lm_path: Path) -> LlamaCppEngine:
    return LlamaCppEngine(small_lm_path, NAME, spec(NAME).sha256, window=1024)


def passage(index: int, text: str) -> Passage:
    return Passage(
        index + 1, 1.0, 0.5, 1.0, f"d{index}", f"d{index}.md", f"Title {index}", ("<|im_end|>",),
        None, 0, len(text), text,
    )  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> tuple[str, list[Message], list[Passage], list[Unit], Budget]:
    passages = [passage(i, text) for i, text in enumerate(draw(st.lists(PROSE, max_size=4)))]
    units = [
        Unit(index, start, end, item.text[start:end], draw(st.floats(0, 1)))
        for index, item in enumerate(passages)
        for start, end in split_sentences(item.text)
    ]
    history = [Message("user", text) for text in draw(st.lists(TEXT, max_size=3))]
    budget = Budget(draw(st.integers(64, 700)), draw(st.integers(300, 700)))
    return draw(TEXT), history, passages, units, budget


@given(problems())
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_exact_whole_and_repeatable(
    engine: LlamaCppEngine,
    problem: tuple[str, list[Message], list[Passage], list[Unit], Budget],
) -> None:
    question, history, passages, units, budget = problem
    packed = pack(question, history, passages, units, budget, engine.count_tokens)
    bare = engine.count_tokens(compose(question, (), passages, (), CHECK))
    assert packed.tokens == len(engine._encode(packed.messages)) <= budget.limit
    assert packed.tokens <= max(budget.target, bare + LEAST_PASSAGE_TOKENS)
    assert set(packed.units) <= set(units)
    assert len(packed.units) + _lost(packed) == len(units)
    assert all(
        unit.text == passages[unit.passage].text[unit.start : unit.end] for unit in packed.units
    )
    assert pack(question, history, passages, units, budget, engine.count_tokens) == packed
    encoded = engine._encode(packed.messages)
    assert not {_one(engine, token) for token in TOKENS[2:5]} & set(encoded)
    assert _special_ids(engine, packed.messages) == _special_ids(
        engine, compose("?", (), (), ())
    ) + (_turn_ids(engine) * (len(packed.messages) - 2))


@pytest.mark.parametrize("token", TOKENS[:4])
def test_a_template_token_in_a_message_is_plain_text(engine: LlamaCppEngine, token: str) -> None:
    """The engine alone, without what the prompt does: the second line."""
    said = (Message("user", f"a{token}b"),)
    assert _special_ids(engine, said) == _special_ids(engine, (Message("user", "ab"),))
    pieces = [piece for piece in render_pieces(said, engine._render) if not piece.trusted]
    assert _one(engine, token) not in engine._ids(pieces)


def _lost(packed: Packed) -> int:
    rows = [row.what for row in packed.dropped if " sentences of passage " in row.what]
    return sum(int(what.split()[0]) for what in rows)


def _one(engine: LlamaCppEngine, token: str) -> int:
    (found,) = engine._llama.tokenize(token.encode(), add_bos=False, special=True)
    return int(found)


def _special_ids(engine: LlamaCppEngine, messages: tuple[Message, ...]) -> int:
    """How many ids of a prompt show nothing as plain text: control tokens."""
    return sum(not engine._piece(token) for token in engine._encode(messages))


def _turn_ids(engine: LlamaCppEngine) -> int:
    one = (Message("user", "a"),)
    return _special_ids(engine, (*one, *one)) - _special_ids(engine, one)
