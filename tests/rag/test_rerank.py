"""The second stage: late interaction by its definition, a cross-encoder, and what it may move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from ingest.types import Vectors
from rag.config import RetrieveConfig
from rag.errors import ConfigError
from rag.rerank import LateInteraction, blended, open_cross_encoder
from rag.retrieve import Retriever
from ui.view import parts, passage_json

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(60))]
SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=12)


class WordStates:
    """A token for each word, from the shipped fake."""

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        return [HashEmbedder().embed(text.split()) for text in texts]


class Wants:
    """Prefers passages that say a word; remembers what it read."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.read: list[str] = []

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        self.read += passages
        return [7.0 if self.word in passage else -3.0 for passage in passages]


def test_late_interaction_by_its_definition() -> None:
    found = LateInteraction(WordStates()).scores("ferry bell", ["ferry bell", "ferry", "quay"])
    one = HashEmbedder().embed(["ferry", "bell", "quay"])
    expected = [1.0, (1 + one[1] @ one[0]) / 2, (one[0] @ one[2] + one[1] @ one[2]) / 2]
    assert np.allclose(found, expected, atol=1e-6)
    assert LateInteraction(WordStates()).scores("ferry", []) == []


@given(st.data(), SCORES, st.floats(0, 1))
def test_blended_scores_stay_on_the_first_stages_scale(
    data: st.DataObject, first: list[float], weight: float
) -> None:
    same = st.lists(st.floats(-50, 50), min_size=len(first), max_size=len(first))
    second = data.draw(same)
    found = blended(first, second, weight)
    assert all(min(first) - 1e-9 <= score <= max(first) + 1e-9 for score in found)
    assert np.allclose(blended(first, second, 0.0), first)
    alone = blended(first, second, 1.0)
    for i in range(len(first)):
        for j in range(len(first)):
            assert second[i] > second[j] or alone[i] <= alone[j] + 1e-9


def test_nothing_to_blend() -> None:
    assert blended([], [], 0.5) == []


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    root, kb = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("kb")
    for n in range(12):
        (root / f"{n}.md").write_text(f"The ferry of harbour {n} has berth b{n}.")
    ingest([root], kb, HashEmbedder())
    return KnowledgeBase.open(kb)


def test_only_the_best_are_read_again(base: KnowledgeBase) -> None:
    config = RetrieveConfig(rerank_top=5, rerank_weight=1.0, top=12)
    plain = Retriever(base, HashEmbedder(), config).retrieve("ferry harbour")
    assert all(passage.rerank is None for passage in plain)
    wants = Wants(f"{plain[3].text.split()[-1]}")
    found = Retriever(base, HashEmbedder(), config, wants).retrieve("ferry harbour")
    assert found[0].text == plain[3].text
    assert len(wants.read) == 5
    assert {p.document for p in found[:5]} == {p.document for p in plain[:5]}
    assert [p.document for p in found[5:]] == [p.document for p in plain[5:]]
    assert [p.rerank for p in found] == [7.0, *[-3.0] * 4, *[None] * 7]
    scores = [p.score for p in found]
    assert scores == sorted(scores, reverse=True)
    assert passage_json(found[0])["parts"]["rerank"] == 7.0
    assert "rerank 7.000" in parts(found[0])
    assert "rerank" not in parts(found[5])


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("cross"), labels=1)


def tiny(folder: Path, labels: int) -> Path:
    """A cross-encoder with random weights, as sentence-transformers reads it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        initializer_range=0.5,
        num_labels=labels,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]",
        "[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 40}
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"}
    settings |= marks | {"sep_token": "[SEP]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_cross_encoder_reads_both_at_once(cross_encoder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    passages = ["w1 w2 w3", "w4", "w5 " * 100, "w1 w2 w3"]
    found = open_cross_encoder(str(cross_encoder)).scores("w1 w9", passages)
    tokenizer = AutoTokenizer.from_pretrained(cross_encoder)
    model = AutoModelForSequenceClassification.from_pretrained(cross_encoder).eval()
    for passage, score in zip(passages, found, strict=True):
        given = tokenizer("w1 w9", passage, return_tensors="pt", truncation=True)
        with torch.no_grad():
            assert abs(float(model(**given).logits[0, 0]) - score) < 1e-4
    assert found[0] == pytest.approx(found[3], abs=1e-5)
    assert len({round(score, 4) for score in found}) == 3


def test_what_is_no_cross_encoder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gives 3 scores a pair"):
        open_cross_encoder(str(tiny(tmp_path / "three", labels=3)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"retrieve\.rerank: cannot load"):
        open_cross_encoder(str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="cannot load 'nobody/nothing'"):
        open_cross_encoder("nobody/nothing")
