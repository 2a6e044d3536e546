"""The graph against transformers' own BERT, and its choice, arithmetic and int8 layers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embed import SentenceEmbedder, open_tokenizer
from ingest.encoders.arithmetic import Arithmetic, fastest
from ingest.encoders.bert import Bert, read_bert, read_weights
from ingest.encoders.choice import open_encoder
from ingest.encoders.graph import GraphEncoder, compiled, open_graph, open_graph_tokens
from ingest.encoders.int8 import Int8, Observer, read_ranges, write_ranges
from ingest.encoders.sentence import SentenceEncoder, open_sentence_tokens

pytest.importorskip("openvino", reason="the cpu extra is not installed")

TEXTS = ["w1", "w2 w3 w4 w5", "w6 " * 20, "w7 " * 200, "unknown w9", ""]
# Where a CPU has no instructions for it, sums of int8 products saturate; it is not chosen there.
NEAR = 0.99 if fastest(True) is Arithmetic.int8 else 0.98
words = st.lists(st.integers(0, 59).map(lambda n: f"w{n}"), max_size=30).map(" ".join)


def opened(folder: Path, arithmetic: Arithmetic = Arithmetic.float32) -> GraphEncoder:
    config = read_bert(folder)
    assert config is not None
    return open_graph(folder, config, "0" * 64, open_tokenizer(folder), arithmetic)


def reference(folder: Path, text: str, pooling: str) -> Any:
    """The vector by its definition, one text at a time: no padding, no mask."""
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(folder).eval()
    ids = open_tokenizer(folder).encode(text).ids
    if len(ids) > 24:
        ids = [*ids[:23], ids[-1]]
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0].double().numpy()
    vector = states[0] if pooling == "cls" else states.mean(0)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_same_as_transformers(tiny_bert: Path, tmp_path: Path, pooling: str) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    found = opened(folder).encode(TEXTS)
    expected = np.stack([reference(folder, text, pooling) for text in TEXTS])
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5


def test_states_of_tokens_by_either_way(tiny_bert: Path) -> None:
    import torch
    from transformers import BertModel

    config, tokenizer = read_bert(tiny_bert), open_tokenizer(tiny_bert)
    assert config is not None
    exact = Arithmetic.float32
    graph = open_graph_tokens(tiny_bert, config, "0" * 64, tokenizer, exact).states(TEXTS)
    slow = open_sentence_tokens(tiny_bert).states(TEXTS)
    model = BertModel.from_pretrained(tiny_bert).eval()
    for text, fast, other in zip(TEXTS, graph, slow, strict=True):
        ids = tokenizer.encode(text).ids
        ids = ids if len(ids) <= 24 else [*ids[:23], ids[-1]]
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0].numpy()
        states /= np.linalg.norm(states, axis=1, keepdims=True)
        assert fast.shape == other.shape == states.shape
        assert np.abs(fast - states).max() < 1e-5
        # In bfloat16 where this CPU multiplies that.
        assert np.sum(other * states, axis=1).min() > 0.99
    assert open_graph_tokens(tiny_bert, config, "0" * 64, tokenizer, exact).states([]) == []


@settings(max_examples=25)
@given(texts=st.lists(words, min_size=1, max_size=12))
def test_company_does_not_matter(encoder: GraphEncoder, texts: list[str]) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(encoder.encode(texts) - alone).max() < 1e-5


@pytest.fixture(scope="session")
def encoder(tiny_bert: Path) -> GraphEncoder:
    return opened(tiny_bert)


def test_int8_stays_near(tiny_bert: Path, tmp_path: Path) -> None:
    config = read_bert(tiny_bert)
    assert config is not None
    observer, tokenizer = Observer(), open_tokenizer(tiny_bert)
    weights = read_weights(tiny_bert)
    run = compiled(Bert(config, weights, observer).graph(observer.results), Arithmetic.float32)
    outputs = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids[:24]])
        found = run([ids, np.ones(ids.shape, np.float32)])
        outputs.append([found[place].copy() for place in range(1, len(found))])
    ranges = observer.ranges(outputs, 0.8)
    assert len(ranges) == 4 * config.layers
    write_ranges(ranges, tmp_path / "ranges")
    again = read_ranges(tmp_path / "ranges")
    assert [r.low for r in again] == pytest.approx([r.low for r in ranges])
    assert all(np.array_equal(a.smooth, b.smooth) for a, b in zip(again, ranges, strict=True))

    graph = Bert(config, weights, Int8(again)).graph()
    rough = GraphEncoder(compiled(graph, Arithmetic.int8), tokenizer, config.window)
    cosines = np.sum(rough.encode(TEXTS) * opened(tiny_bert).encode(TEXTS), axis=1)
    assert NEAR < cosines.min() < 1.0


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode": "max"}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
    ],
)
def test_other_models_are_left_to_torch(
    tiny_bert: Path, tmp_path: Path, file: str, changes: dict[str, object]
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    before = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
    (folder / file).write_text(json.dumps({**before, **changes}))
    assert read_bert(folder) is None


def test_modules_that_the_graph_lacks(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules, dense]))
    assert read_bert(folder) is None
    (folder / "modules.json").unlink()
    assert read_bert(folder) is None


def test_what_runs_it(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = open_tokenizer(tiny_bert)
    monkeypatch.setattr("ingest.encoders.choice._NVIDIA", ())
    assert isinstance(open_encoder(tiny_bert, "0", tokenizer, bulk=False), GraphEncoder)
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("ingest.encoders.choice.find_spec", lambda name: None)
    assert isinstance(open_encoder(tiny_bert, "0", tokenizer, bulk=False), SentenceEncoder)


@pytest.mark.parametrize(
    ("flags", "bulk", "single"),
    [
        ("flags : sse4_2 avx2", "float32", "float32"),
        ("flags : avx2 avx512_bf16", "bfloat16", "bfloat16"),
        ("flags : avx2 avx_vnni", "int8", "float32"),
        ("flags : avx512_vnni avx512_bf16", "int8", "bfloat16"),
        ("Features : asimd i8mm bf16", "int8", "bfloat16"),
        (None, "float32", "float32"),
    ],
)
def test_the_arithmetic_of_a_cpu(tmp_path: Path, flags: str | None, bulk: str, single: str) -> None:
    cpu = tmp_path / "cpuinfo"
    if flags is not None:
        cpu.write_text(f"processor : 0\n{flags}\n")
    assert fastest(True, cpu) == bulk
    assert fastest(False, cpu) == single


@pytest.mark.models
def test_the_shipped_ranges(embedder_path: Path) -> None:
    from rag.assemble import EMBEDDER
    from rag.models import spec

    def embedder(arithmetic: Arithmetic) -> SentenceEmbedder:
        return SentenceEmbedder(
            embedder_path, EMBEDDER, spec(EMBEDDER).sha256, arithmetic=arithmetic
        )

    # Of kinds that were not observed: code, another script, figures, one word.
    texts = ["x1 = y + 2\nreturn x1", "日本語のテキスト", "12.4 0.7 -3.1 | 88 | 1,024", "winch"]
    texts += ["a", "A sentence about mooring winches. " * 60]
    exact = embedder(Arithmetic.float32).embed(texts)
    for arithmetic, least in ((Arithmetic.bfloat16, 0.999), (Arithmetic.int8, NEAR)):
        assert np.sum(exact * embedder(arithmetic).embed(texts), axis=1).min() > least
