"""Embedders: the cache, the fake, and the real model against its own definition."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ingest.embed import CachedEmbedder, SentenceEmbedder
from ingest.errors import SurefootError
from ingest.testing import HashEmbedder


def test_the_fake_is_deterministic_and_sensible() -> None:
    one, two = HashEmbedder(), HashEmbedder()
    texts = ["the oil pump", "oil pump", "salary", ""]
    assert np.array_equal(one.embed(texts), two.embed(texts))
    near, far = one.embed(texts)[0] @ one.embed(texts)[1:3].T
    assert near > 0.7 > abs(far)
    assert one.embed(texts).dtype == np.float32
    assert np.allclose(np.linalg.norm(one.embed(texts), axis=1), 1, atol=1e-5)
    assert one.count_tokens(["a b, c.", ""]) == [5, 0]


def test_the_cache_asks_once_for_each_text() -> None:
    inner = HashEmbedder()
    cached = CachedEmbedder(inner, size=2)
    first = cached.embed(["a", "b", "a"])
    assert inner.embedded == 2
    assert np.array_equal(first, HashEmbedder().embed(["a", "b", "a"]))
    cached.embed(["b", "a"])
    assert inner.embedded == 2
    cached.embed(["c"])
    cached.embed(["a"])
    assert inner.embedded == 3, "the least recently used text went"
    cached.embed(["b"])
    assert inner.embedded == 4
    assert cached.embed([]).shape == (0, 32)
    assert (cached.name, cached.dimension, cached.sha256) == (
        inner.name, inner.dimension, inner.sha256
    )  # fmt: skip
    assert cached.count_tokens(["a b"]) == [2]


def test_more_texts_than_the_cache_holds() -> None:
    cached = CachedEmbedder(HashEmbedder(), size=3)
    texts = [f"text {n}" for n in range(10)]
    assert np.array_equal(cached.embed(texts), HashEmbedder().embed(texts))


def test_the_cache_is_safe_for_threads() -> None:
    cached = CachedEmbedder(HashEmbedder(), size=8)
    expected = HashEmbedder().embed([f"t{n}" for n in range(20)])
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for n in np.random.default_rng(seed).integers(0, 20, 100):
            if not np.array_equal(cached.embed([f"t{n}"])[0], expected[n]):
                wrong.append(int(n))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match="tokenizer"):
        SentenceEmbedder(tmp_path, "none", "0")


@pytest.mark.models
def test_the_real_model(embedder_path: Path) -> None:
    embedder = SentenceEmbedder(embedder_path, "real", "0")
    assert embedder.count_tokens(["hello world", "word " * 900, ""]) == [2, 900, 0]
    texts = ["How do I reset my password?", "Steps to change a forgotten password", "Tide tables"]
    vectors = embedder.embed(texts)
    assert vectors.shape == (3, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.models
def test_reduced_precision_stays_near_full(embedder_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["Short.", "A sentence about mooring winches. " * 20, "日本語のテキスト", "x1 = y + 2"]
    exact = SentenceTransformer(str(embedder_path), device="cpu", local_files_only=True)
    full = exact.encode(texts, normalize_embeddings=True)
    ours = SentenceEmbedder(embedder_path, "real", "0").embed(texts)
    assert (full * ours).sum(axis=1).min() >= 0.99
