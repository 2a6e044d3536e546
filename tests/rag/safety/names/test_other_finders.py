"""spaCy pipelines, token classifiers and GLiNER as finders of names."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rag.errors import ConfigError
from rag.safety.names.opening import open_names
from rag.safety.names.pipelines import GlinerNames
from rag.safety.names.types import Name
from rag.safety.pii import PiiFilter


def test_a_spacy_pipeline_by_its_folder(tmp_path: Path) -> None:
    from rag.safety.lean import spacy

    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Zed"}, {"label": "X", "pattern": "pump"}])
    nlp.to_disk(tmp_path / "ruled")
    finder = open_names(f"spacy:{tmp_path / 'ruled'}")
    assert finder.find(["Ask Zed about the pump.", ""]) == [[Name(4, 7, "PERSON", 0.85)], []]
    found = PiiFilter(finder).find("All is well. Ask Zed.", "answer")
    assert [(f.start, f.end, f.label, f.source) for f in found] == [(17, 20, "PERSON", "pii:ner")]


def test_a_pipeline_that_finds_no_entities_is_an_error(tmp_path: Path) -> None:
    from rag.safety.lean import spacy

    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ConfigError, match="finds no entities"):
        open_names(f"spacy:{tmp_path / 'blank'}")


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ann", "berg", "##s", "asks", "oslo"]


def tiny(folder: Path, labels: list[str]) -> Path:
    """A random token classifier of a few thousand weights, whose last layer names `ann` alone."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizer

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )
    model = BertForTokenClassification(config)
    model.save_pretrained(folder)
    BertTokenizer(vocab={w: n for n, w in enumerate(WORDS)}).save_pretrained(folder)
    return folder


def test_a_token_classifier_by_its_folder(tmp_path: Path) -> None:
    finder = open_names(f"hf:{tiny(tmp_path / 'bert', ['B-PER', 'B-PER'])}")
    text = "ann bergs asks oslo " * 20
    short, long, none = finder.find(["ann bergs", text, ""])
    assert [(n.start, n.end, n.label) for n in short] == [(0, 3, "PERSON"), (4, 9, "PERSON")]
    # Every word of a text longer than the model reads at once is found, and once.
    assert [text[n.start : n.end] for n in long] == text.split()
    assert none == []


def test_names_go_on_until_their_label_ends(tmp_path: Path) -> None:
    finder = open_names(f"hf:{tiny(tmp_path / 'bert', ['I-PER', 'I-PER'])}")
    (found,) = finder.find(["ann berg asks"])
    assert [(n.start, n.end) for n in found] == [(0, 13)]


def test_a_classifier_without_labels_for_names_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no label for people"):
        open_names(f"hf:{tiny(tmp_path / 'bert', ['LABEL_0', 'LABEL_1'])}")


def test_gliner_is_named_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pip install gliner"):
        open_names(f"gliner:{tmp_path}")


def test_gliner_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"start": 0, "end": 3, "text": "Ann", "label": "person", "score": 0.7}
    model = SimpleNamespace(inference=lambda texts, labels, threshold: [[row] for _ in texts])
    library = ModuleType("gliner")
    library.__spec__ = ModuleSpec("gliner", None)
    library.GLiNER = SimpleNamespace(from_pretrained=lambda folder, local_files_only: model)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gliner", library)
    with pytest.raises(ConfigError, match="safetensors"):
        open_names(f"gliner:{tmp_path}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    finder = open_names(f"gliner:{tmp_path}")
    assert isinstance(finder, GlinerNames)
    assert finder.find(["Ann asks"]) == [[Name(0, 3, "PERSON", 0.7)]]
    assert finder.find([]) == []
