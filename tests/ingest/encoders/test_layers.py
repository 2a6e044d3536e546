"""What an encoder says of a text at several depths, by the graph and by torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.embed import open_tokenizer
from ingest.encoders.arithmetic import Arithmetic
from ingest.encoders.bert import read_bert
from ingest.encoders.graph import GraphEncoder, open_graph
from ingest.encoders.layers import VIEWS, depths
from ingest.encoders.sentence import open_sentence

pytest.importorskip("openvino", reason="the cpu extra is not installed")

TEXTS = ["w1", "w2 w3 w4 w5", "w6 " * 20, "w7 " * 200, "unknown w9", ""]


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> GraphEncoder:
    config = read_bert(tiny_bert)
    assert config is not None
    return open_graph(tiny_bert, config, "0" * 64, open_tokenizer(tiny_bert), Arithmetic.float32)


def reference(folder: Path, text: str) -> Any:
    """The views by their definition, one text at a time."""
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(folder).eval()
    ids = open_tokenizer(folder).encode(text).ids
    ids = ids if len(ids) <= 24 else [*ids[:23], ids[-1]]
    with torch.no_grad():
        found = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    states = [layer[0].numpy() for layer in found]
    low, high = (states[depth] for depth in depths(len(states) - 1))
    vector = states[-1].mean(0)
    peaks = [states[-1].max(0), high.max(0)]
    return np.concatenate([vector / np.linalg.norm(vector), low.mean(0), high.mean(0), *peaks])


def test_the_graph_gives_the_views_by_their_definition(
    tiny_bert: Path, encoder: GraphEncoder
) -> None:
    found = encoder.layers(TEXTS)
    expected = np.stack([reference(tiny_bert, text) for text in TEXTS])
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4


def test_the_vectors_come_first(encoder: GraphEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert np.array_equal(encoder.layers(TEXTS)[:, : vectors.shape[1]], vectors)
    assert encoder.layers([]).shape == (0, VIEWS * vectors.shape[1])


def test_torch_gives_about_the_same(tiny_bert: Path, encoder: GraphEncoder) -> None:
    graph, torch = encoder.layers(TEXTS), open_sentence(tiny_bert).layers(TEXTS)
    assert graph.shape == torch.shape
    # In bfloat16 where this CPU multiplies that.
    length = np.linalg.norm(graph, axis=1) * np.linalg.norm(torch, axis=1)
    assert (np.sum(graph * torch, axis=1) / length).min() > 0.99


@given(st.integers(1, 48))
def test_depths_lie_in_the_model(layers: int) -> None:
    low, high = depths(layers)
    assert 1 <= low <= high <= layers
