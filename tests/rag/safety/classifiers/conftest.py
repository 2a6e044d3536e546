"""Tiny published models with random weights, and classifiers that say what they are told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rag.types import Stage

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [a + b + c for a in "bdfgklmn" for b in "aeiou" for c in "lrtsnk"]
LIMIT = 48


class Told:
    """Gives `scores` by the first word of `by` that a text holds, else `otherwise`."""

    def __init__(
        self,
        by: Mapping[str, Mapping[str, float]],
        otherwise: Mapping[str, float],
        thresholds: Mapping[str, float] | None = None,
        identity: str = "told",
    ) -> None:
        self.identity = identity
        self.thresholds = thresholds or dict.fromkeys(otherwise, 0.5)
        self.asked: list[list[str]] = []
        self._by, self._otherwise = by, otherwise

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        self.asked.append(list(texts))
        return [
            next((scores for word, scores in self._by.items() if word in text), self._otherwise)
            for text in texts
        ]


def write_tokenizer(folder: Path, more: Sequence[str] = ()) -> None:
    """Words as tokens, and `more` as special ones, marked as BERT marks a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    known = {word: n for n, word in enumerate([*MARKS, *WORDS, *more])}
    tokenizer = Tokenizer(models.WordLevel(known, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([*MARKS, *(word for word in more if word.startswith("<"))])
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LIMIT}
    settings |= {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def classifier(folder: Path, labels: Sequence[str], kind: str | None) -> Path:
    """A BERT of two layers with these classes."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    named = dict(enumerate(labels))
    config = BertConfig(
        vocab_size=len(MARKS) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LIMIT,
        initializer_range=0.5,
        id2label=named,
        label2id={v: k for k, v in named.items()},
        problem_type=kind,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture
def told() -> type[Told]:
    return Told


@pytest.fixture(scope="session")
def prompt_guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes without names, known by the model's."""
    folder = tmp_path_factory.mktemp("hub") / "Llama-Prompt-Guard-2-86M"
    return classifier(folder, ["LABEL_0", "LABEL_1"], None)


@pytest.fixture(scope="session")
def toxic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each class a question of its own."""
    labels = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    return classifier(tmp_path_factory.mktemp("toxic"), labels, "multi_label_classification")


@pytest.fixture(scope="session")
def tiny_guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose every reply begins with safe or unsafe, whichever its weights happen to say."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("guard")
    answers = ["safe", "unsafe", "S1", "<|eot_id|>"]
    write_tokenizer(folder, answers)
    config = LlamaConfig(
        vocab_size=len(MARKS) + len(WORDS) + len(answers),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.5,
        bos_token_id=2,
        eos_token_id=3,
    )
    model = LlamaForCausalLM(config)
    safe, unsafe = len(MARKS) + len(WORDS), len(MARKS) + len(WORDS) + 1
    with torch.no_grad():
        row = model.lm_head.weight[safe].clone()
        model.lm_head.weight.zero_()
        model.lm_head.weight[safe], model.lm_head.weight[unsafe] = 5 * row, -5 * row
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def words() -> list[str]:
    return WORDS
