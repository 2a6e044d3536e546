"""Published checkers: what they read, what they give, long sources, and what can't be loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.testing import HashEmbedder
from rag.checkers.names import CheckerName
from rag.checkers.opening import open_published, open_scorer
from rag.errors import ConfigError
from rag.grounding import Checker, Evidence

Units = Callable[..., list[Evidence]]
CLAIM = "bal ber dit"
SOURCE = ["bal dit gos", "fik lur nas"]
SAID = "lighthouse"


def opened(kind: str, folder: Path) -> Checker:
    return open_published(CheckerName(kind, str(folder)), HashEmbedder(256))


def directly(folder: Path, model: Any, *texts: str, **more: Any) -> Any:
    """Logits of a model for one input, by the library alone."""
    import torch
    from transformers import AutoTokenizer

    given = AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")
    with torch.no_grad():
        return model.train(False)(**given, **more).logits[0]


def test_nli_reads_premise_and_claim(nli: Path, evidence: Units) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(nli)
    found = opened("nli", nli).support([CLAIM], evidence(SOURCE[:1]))[0]
    expected = directly(nli, model, SOURCE[0], CLAIM).softmax(-1)[1]
    assert found.score == pytest.approx(float(expected), abs=1e-5)
    assert found.evidence == (0,)


def test_minicheck_of_two_classes(minicheck_encoder: Path, evidence: Units) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(minicheck_encoder)
    found = opened("minicheck", minicheck_encoder).support([CLAIM], evidence(SOURCE))[0]
    text = f"{SOURCE[0]} {SOURCE[1]}[SEP]{CLAIM}"
    expected = directly(minicheck_encoder, model, text).softmax(-1)[1]
    assert found.score == pytest.approx(float(expected), abs=1e-5)


def test_minicheck_of_t5(minicheck_t5: Path, evidence: Units) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(minicheck_t5)
    found = opened("minicheck", minicheck_t5).support([CLAIM], evidence(SOURCE, each=1))[0]
    text = f"predict: {SOURCE[0]}\n{SOURCE[1]}[SEP]{CLAIM}"
    logits = directly(minicheck_t5, model, text, decoder_input_ids=torch.zeros(1, 1).long())
    expected = logits[0, [3, 209]].softmax(-1)[1]
    assert found.score == pytest.approx(float(expected), abs=1e-5)


def test_hhem_through_the_librarys_own_class(hhem: Path, evidence: Units) -> None:
    from transformers import T5ForTokenClassification

    plain = hhem.parent / "plain"
    model = T5ForTokenClassification.from_pretrained(plain)
    found = opened("hhem", hhem).support([CLAIM], evidence(SOURCE[:1]))[0]
    text = (
        "<pad> Determine if the hypothesis is true given the premise?\n\n"
        f"Premise: {SOURCE[0]}\n\nHypothesis: {CLAIM}"
    )
    expected = directly(plain, model, text)[0].softmax(-1)[1]
    assert found.score == pytest.approx(float(expected), abs=1e-5)


def test_lettucedetect_judges_the_whole_answer_at_once(lettuce: Path, evidence: Units) -> None:
    from transformers import AutoModelForTokenClassification

    claims = [CLAIM, "gos fik"]
    found = opened("lettucedetect", lettuce).support(claims, evidence(SOURCE))
    model = AutoModelForTokenClassification.from_pretrained(lettuce)
    prompt = f"Summarize the following text:\npassage 1: {SOURCE[0]} {SOURCE[1]}\noutput:"
    made_up = directly(lettuce, model, prompt, " ".join(claims)).softmax(-1)[-6:-1, 1].tolist()
    assert found[0].score == pytest.approx(1 - max(made_up[:3]), abs=1e-5)
    assert found[1].score == pytest.approx(1 - max(made_up[3:]), abs=1e-5)


@pytest.mark.parametrize("kind", ["nli", "lettucedetect"])
def test_a_long_source_is_read_to_its_end(
    kind: str, request: pytest.FixtureRequest, evidence: Units, words: Sequence[str]
) -> None:
    """Far longer than the model reads at once: what supports stands in the last window."""
    folder = request.getfixturevalue({"nli": "nli", "lettucedetect": "lettuce"}[kind])
    checker = opened(kind, folder)
    texts = [" ".join(words[n : n + 5]) for n in range(40)]
    without = checker.support([CLAIM], evidence(texts))[0]
    assert without.score is not None
    assert without.score < 0.4
    texts[-1] += f" {SAID} {CLAIM}"
    found = checker.support([CLAIM], evidence(texts))[0]
    assert found.score is not None
    assert found.score > 0.6
    assert found.evidence[0] == 39


def test_a_unit_longer_than_a_window_is_read_in_parts(
    nli: Path, evidence: Units, words: Sequence[str]
) -> None:
    found = opened("nli", nli).support([CLAIM], evidence([" ".join([*words[:200], SAID])]))[0]
    assert found.score is not None
    assert found.score > 0.6
    assert found.evidence == (0,)


def test_a_long_answer_is_read_in_runs(lettuce: Path, evidence: Units) -> None:
    claims = [f"{CLAIM} gos fik lur nas" for _ in range(12)]
    found = opened("lettucedetect", lettuce).support(claims, evidence([f"{SAID} dit"]))
    assert all(one.score is not None and one.score > 0.5 for one in found)


@pytest.mark.parametrize("kind", ["nli", "lettucedetect"])
def test_a_claim_that_leaves_no_room_has_no_score(
    kind: str, request: pytest.FixtureRequest, evidence: Units, words: Sequence[str]
) -> None:
    folder = request.getfixturevalue({"nli": "nli", "lettucedetect": "lettuce"}[kind])
    long = " ".join(words[:100])
    first, second = opened(kind, folder).support([long, CLAIM], evidence(SOURCE))
    assert first.score is None
    assert "tokens" in first.failed
    assert second.score is not None


@pytest.mark.parametrize(
    ("kind", "source"),
    [("nli", "minicheck_encoder"), ("minicheck", "nli"), ("lettucedetect", "hhem")],
)
def test_what_is_another_model_is_said(
    kind: str, source: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(source)
    with pytest.raises(ConfigError, match=r"^setting grounding\.checker: ") as raised:
        opened(kind, folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["nli", "lettucedetect", "hhem", "minicheck"])
def test_what_is_not_there_is_said(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model 'nobody/nothing' on this machine"):
        opened(kind, Path("nobody/nothing"))
    with pytest.raises(ConfigError, match="cannot load"):
        opened(kind, tmp_path)


def test_hhem_needs_its_foundation_and_its_own_weights(hhem: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(hhem, alone)
    (alone / "config.json").write_text(json.dumps({"foundation": "nobody/foundation"}))
    with pytest.raises(ConfigError, match="nobody/foundation"):
        opened("hhem", alone)
    other = tmp_path / "other"
    shutil.copytree(hhem, other)
    shutil.copy(hhem.parent / "plain" / "model.safetensors", other / "base")
    (other / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ConfigError, match="cannot load"):
        opened("hhem", other)


@pytest.mark.parametrize("kind", ["nli", "lettucedetect", "hhem", "minicheck"])
def test_half_precision_gives_about_the_same(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    evidence: Units,
) -> None:
    """As on a GPU."""
    import torch

    folders = {"lettucedetect": "lettuce", "minicheck": "minicheck_t5"}
    folder = request.getfixturevalue(folders.get(kind, kind))
    whole = opened(kind, folder).support([CLAIM], evidence(SOURCE))[0].score
    shutil.copytree(folder, tmp_path / "half")
    monkeypatch.setattr("rag.checkers.hub.number", lambda _: torch.bfloat16)
    half = opened(kind, tmp_path / "half").support([CLAIM], evidence(SOURCE))[0].score
    assert half != whole
    assert half == pytest.approx(whole, abs=0.05)


def test_a_model_is_loaded_once(nli: Path) -> None:
    name = CheckerName("nli", str(nli))
    assert open_scorer(name) is open_scorer(CheckerName("nli", str(nli)))
