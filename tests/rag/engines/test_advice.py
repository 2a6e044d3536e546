"""What a machine is advised to run, by table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engines.advice import MODELS, Card, Facts, LocalModel, advise, fits

LOCAL = (LocalModel("small", 0.5), LocalModel("usual", 1.1))


def gpu(memory: float, capability: float = 9.0, cuda: bool = True) -> Facts:
    return Facts(8, 64.0, (Card("card", memory, capability),), cuda)


@pytest.mark.parametrize(
    ("facts", "engine", "model", "dtype"),
    [
        (Facts(2, 16.0), "llama.cpp", "usual", "as quantised"),
        (Facts(2, 2.2), "llama.cpp", "small", "as quantised"),
        (Facts(2, 1.0), "llama.cpp", "small", "as quantised"),
        (Facts(1, 16.0), "llama.cpp", "small", "as quantised"),
        (Facts(4, None), "llama.cpp", "usual", "as quantised"),
        (gpu(150.0), "transformers", "Qwen/Qwen2.5-32B-Instruct", "bfloat16"),
        (gpu(85.0), "transformers", "Qwen/Qwen2.5-14B-Instruct", "bfloat16"),
        (gpu(25.7, 8.9), "transformers", "Qwen/Qwen2.5-7B-Instruct", "bfloat16"),
        (gpu(17.0, 7.5), "transformers", "Qwen/Qwen3-4B-Instruct-2507", "float16"),
        (gpu(8.5, 8.6), "transformers", "Qwen/Qwen2.5-1.5B-Instruct", "bfloat16"),
        (gpu(2.0), "llama.cpp", "usual", "as quantised"),
        (gpu(85.0, cuda=False), "llama.cpp", "usual", "as quantised"),
    ],
)
def test_advice(facts: Facts, engine: str, model: str, dtype: str) -> None:
    advice = advise(facts, 4096, LOCAL)
    assert (advice.engine, advice.model, advice.dtype) == (engine, model, dtype)


def test_the_reason_says_what_is_amiss() -> None:
    assert "without CUDA" in advise(gpu(85.0, cuda=False), 4096, LOCAL).why
    assert "less than Surefoot needs" in advise(Facts(2, 1.0), 4096, LOCAL).why
    assert "2 CPUs and 16.0 GB" in advise(Facts(2, 16.0), 4096, LOCAL).why


def test_the_largest_card_counts() -> None:
    cards = (Card("small", 8.0, 8.0), Card("large", 150.0, 9.0))
    assert "large" in advise(Facts(8, 64.0, cards, cuda=True), 4096, LOCAL).why


@given(memory=st.floats(1, 300), window=st.sampled_from([1024, 4096, 32768]))
def test_more_memory_never_means_a_smaller_model(memory: float, window: int) -> None:
    smaller = [model for model in MODELS if fits(model, memory, window)]
    larger = [model for model in MODELS if fits(model, memory * 1.1, window)]
    assert set(smaller) <= set(larger)
    assert all(model.weights_gb < memory for model in smaller)
