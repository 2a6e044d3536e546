"""Published text classifiers: what they give, long texts, and what can't be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ConfigError
from rag.safety.classifiers.hub import open_hub
from rag.safety.classifiers.labels import ROLES
from rag.safety.classifiers.names import ClassifierName

FIELD = "guard.injection"
INJECTION = "PROMPT_INJECTION"
TEXT = "bal ber dit gos"
Direct = Callable[[Path, str], Any]


@pytest.fixture(scope="session")
def direct() -> Direct:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def logits(folder: Path, text: str) -> Any:
        """By the library alone."""
        given = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
        with torch.no_grad():
            return AutoModelForSequenceClassification.from_pretrained(folder)(**given).logits[0]

    return logits


def opened(folder: Path, role: str = "injection", own: Mapping[str, Any] | None = None) -> Any:
    name = ClassifierName("hf", str(folder))
    return open_hub(name, f"guard.{role}", own or {}, ROLES[role], 0.5)


def test_one_class_of_several_is_a_share(prompt_guard: Path, direct: Direct) -> None:
    found = opened(prompt_guard).classify([TEXT, "nar"], "question")
    for text, scores in zip([TEXT, "nar"], found, strict=True):
        expected = direct(prompt_guard, text).softmax(-1)[1]
        assert scores == {INJECTION: pytest.approx(float(expected), abs=1e-5)}


def test_several_classes_at_once_are_each_a_question(toxic: Path, direct: Direct) -> None:
    [found] = opened(toxic, "moderation").classify([TEXT], "answer")
    p = direct(toxic, TEXT).sigmoid().tolist()
    expected = {
        "HARM": max(p[n] for n in (0, 1, 3, 4, 5)),
        "VIOLENCE": p[3],
        "HARASSMENT": p[4],
        "HATE": p[5],
    }
    assert found == {label: pytest.approx(value, abs=1e-5) for label, value in expected.items()}


def test_a_batch_gives_what_each_text_gives(toxic: Path, words: Sequence[str]) -> None:
    texts = [" ".join(words[n : n + 1 + n % 30]) for n in range(20)]
    model = opened(toxic, "moderation")
    alone = [model.classify([text], "question")[0] for text in texts]
    for one, other in zip(alone, model.classify(texts, "question"), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_the_end_of_a_long_text_counts(prompt_guard: Path, words: Sequence[str]) -> None:
    model = opened(prompt_guard)
    parts = [" ".join(words[n : n + 20]) for n in range(0, 200, 20)]
    worst = max(parts, key=lambda part: model.classify([part], "question")[0][INJECTION])
    others = [part for part in parts if part != worst]
    [found] = model.classify([" ".join([*others, worst])], "question")
    [without] = model.classify([" ".join(others)], "question")
    assert found[INJECTION] != without[INJECTION]


def test_the_config_may_say_what_classes_are(
    prompt_guard: Path, tmp_path: Path, direct: Direct
) -> None:
    folder = tmp_path / "renamed"
    shutil.copytree(prompt_guard, folder)
    with pytest.raises(ConfigError, match=r"^setting guard\.labels: .*LABEL_0, LABEL_1; name them"):
        opened(folder)
    own = {"label_0": (INJECTION,), "label_1": ()}
    [found] = opened(folder, own=own).classify([TEXT], "question")
    assert found[INJECTION] == pytest.approx(float(direct(folder, TEXT).softmax(-1)[0]), abs=1e-5)


def test_what_a_filter_is_not_for_is_said(prompt_guard: Path) -> None:
    with pytest.raises(ConfigError, match=r"guard\.moderation: .*none of what this filter"):
        opened(prompt_guard, "moderation")


def test_identity_names_the_weights(prompt_guard: Path, tmp_path: Path) -> None:
    folder = tmp_path / prompt_guard.name
    shutil.copytree(prompt_guard, folder)
    assert opened(folder).identity == opened(prompt_guard).identity
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"hidden_act": "relu"}))
    assert opened(folder).identity != opened(prompt_guard).identity


def _without_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    kept = {k: v for k, v in load_file(file).items() if not k.startswith("classifier")}
    save_file(kept, file, metadata={"format": "pt"})


def _as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _as_code(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "own.py").write_text("raise SystemExit('code of a model was run')\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_head, "no text classifier"),
        (_as_pickle, "cannot load"),
        (_as_code, "cannot load"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "cannot load"),
        (lambda folder: (folder / "config.json").unlink(), "cannot load"),
        (shutil.rmtree, "there is no model"),
    ],
    ids=["no head", "pickle", "code", "damaged", "no config", "missing"],
)
def test_what_does_not_load_is_one_line(
    prompt_guard: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    folder = tmp_path / prompt_guard.name
    shutil.copytree(prompt_guard, folder)
    spoil(folder)
    with pytest.raises(ConfigError, match=rf"^setting guard\.injection: .*{said}") as raised:
        opened(folder)
    assert "\n" not in str(raised.value)


def test_half_precision_gives_about_the_same(toxic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    import torch

    [whole] = opened(toxic, "moderation").classify([TEXT], "question")
    monkeypatch.setattr("rag.checkers.hub.number", lambda _: torch.bfloat16)
    [half] = opened(toxic, "moderation").classify([TEXT], "question")
    assert half != whole
    assert half == pytest.approx(whole, abs=0.05)


@pytest.mark.parametrize("name", ["prompt_guard", "toxic"])
def test_what_is_no_number_is_never_clean(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    source = request.getfixturevalue(name)
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][1] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = opened(folder, "moderation" if name == "toxic" else "injection")
    with pytest.raises(ValueError, match="no numbers"):
        model.classify([TEXT], "question")
