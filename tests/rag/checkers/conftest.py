"""Tiny published models: of the right kind, with few weights, some of which know one word."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.grounding import Evidence

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [a + b + c for a in "bdfgklmn" for b in "aeiou" for c in "lrtsnk"]
# The word that some of them take for support, wherever it stands in a source.
SAID = "lighthouse"
VOCABULARY = [*MARKS, SAID, *WORDS]
LIMIT = 64


def write_tokenizer(folder: Path, end: str = "[SEP]", pair: bool = True) -> None:
    """Words as tokens; `end` also ends a text. `pair` marks two texts as BERT does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    known = {word: n for n, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(known, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(MARKS)
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]" if pair else "$A [SEP]",
        "[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LIMIT}
    settings |= {**marks, "eos_token": end}
    settings["model_input_names"] = ["input_ids", "attention_mask"] + ["token_type_ids"] * pair
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def bert(**more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=32,
        max_position_embeddings=LIMIT,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        **more,
    )


def t5(**more: Any) -> Any:
    from transformers import T5Config

    config = T5Config(
        vocab_size=len(VOCABULARY),
        d_model=32,
        d_kv=16,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=3,
        **more,
    )
    config.decoder_start_token_id = 0
    return config


def saved(folder: Path, kind: str, config: Any, end: str = "[SEP]", pair: bool = True) -> Path:
    """A model of the library's class `kind` with random weights, and its tokenizer."""
    import torch
    import transformers

    torch.manual_seed(5)
    folder.mkdir(parents=True, exist_ok=True)
    getattr(transformers, kind)(config).save_pretrained(folder)
    write_tokenizer(folder, end, pair)
    return folder


def teach(folder: Path, kind: str, yes: int, no: int) -> Path:
    """Make a saved model say `yes` of every token or text that is read beside SAID, else `no`.

    Its weights are set by hand: every place attends to SAID, and the first number says if it is
    there. The small random weights under that stay.
    """
    import torch
    import transformers

    model = getattr(transformers, kind).from_pretrained(folder)
    layer = model.bert.encoder.layer[0].attention
    words = model.bert.embeddings.word_embeddings.weight
    with torch.no_grad():
        words[:, 1] += 4.0
        words[VOCABULARY.index(SAID), :2] += torch.tensor([4.0, -4.0])
        layer.self.query.bias += 4.0
        layer.self.key.weight[:, 0] += 1.0
        layer.self.value.weight[0, 0] += 1.0
        layer.output.dense.weight[0, 0] += 10.0
        if model.bert.pooler is not None:
            model.bert.pooler.dense.weight[0, 0] += 1.0
        for place, sign in ((yes, 1.0), (no, -1.0)):
            model.classifier.weight[place, 0] += sign
    model.save_pretrained(folder)
    return folder


def evidence_of(texts: Sequence[str], each: int = 2) -> list[Evidence]:
    """Units of evidence, `each` a passage."""
    return [Evidence(n // each, 10 * n, 10 * n + 9, text) for n, text in enumerate(texts)]


@pytest.fixture(scope="session")
def evidence() -> Callable[..., list[Evidence]]:
    return evidence_of


@pytest.fixture(scope="session")
def words() -> list[str]:
    return WORDS


@pytest.fixture(scope="session")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of three classes that knows SAID: entailment is the second."""
    labels = {0: "contradiction", 1: "entailment", 2: "neutral"}
    config = bert(id2label=labels, label2id={v: k for k, v in labels.items()})
    kind = "BertForSequenceClassification"
    return teach(saved(tmp_path_factory.mktemp("nli"), kind, config), kind, 1, 2)


@pytest.fixture(scope="session")
def lettuce(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token classifier that knows SAID: class 1 is made up."""
    kind = "BertForTokenClassification"
    folder = saved(tmp_path_factory.mktemp("lettuce"), kind, bert(num_labels=2))
    return teach(folder, kind, 0, 1)


@pytest.fixture(scope="session")
def minicheck_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    return saved(folder, "BertForSequenceClassification", bert(num_labels=2))


@pytest.fixture(scope="session")
def minicheck_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    return saved(folder, "T5ForConditionalGeneration", t5(), pair=False)


@pytest.fixture(scope="session")
def hhem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is published: prefixed weights, a config of its own, a foundation beside them."""
    from safetensors.torch import load_file, save_file

    root = tmp_path_factory.mktemp("hhem")
    plain = saved(root / "plain", "T5ForTokenClassification", t5(num_labels=2), pair=False)
    folder = root / "published"
    base = saved(folder / "base", "T5ForTokenClassification", t5(), pair=False)
    (base / "model.safetensors").unlink()
    weights = load_file(plain / "model.safetensors")
    save_file({f"t5.{key}": value for key, value in weights.items()}, folder / "model.safetensors")
    settings = {"model_type": "HHEMv2", "foundation": "base", "auto_map": {"AutoModel": "x.Y"}}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder
