"""What identifies a subject: whatever may change an outcome changes a pin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evals.pins import code_hash, engine_pin, index_hash, policy_hash
from evals.suites import get
from evals.suites.base import Options
from ingest.build import ingest
from ingest.chunk import ChunkSettings
from ingest.testing import HashEmbedder
from rag.config import Config, EngineConfig, RetrieveConfig, ReviewConfig

TEXT = "The ferry leaves at nine. Dogs travel free on it. It comes back at noon. " * 20


def base(folder: Path, *names: str, groups: frozenset[str] = frozenset(), size: int = 0) -> Path:
    """A knowledge base of one text under each name, in `folder`/kb."""
    folder.mkdir()
    corpus = folder / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"id": n, "title": "t", "text": TEXT}) + "\n" for n in names)
    )
    settings = ChunkSettings(max_tokens=size, small_tokens=8) if size else None
    ingest([corpus], folder / "kb", HashEmbedder(), groups=groups, chunking=settings)
    return folder / "kb"


def test_the_same_documents_are_the_same_index(tmp_path: Path) -> None:
    assert index_hash(base(tmp_path / "a", "x")) == index_hash(base(tmp_path / "b", "x"))


def test_what_is_in_an_index_is_pinned(tmp_path: Path) -> None:
    made = [
        base(tmp_path / "plain", "x"),
        base(tmp_path / "groups", "x", groups=frozenset({"staff"})),
        base(tmp_path / "another_name_of_it", "x", "y"),
        base(tmp_path / "cut_otherwise", "x", size=32),
    ]
    assert len({index_hash(kb) for kb in made}) == len(made)


@pytest.mark.parametrize("suite", ["retrieval", "qa"])
def test_what_the_asker_may_see_is_pinned(suite: str, tmp_path: Path) -> None:
    kb = base(tmp_path / "a", "x")
    pins = {get(suite).pins(Options(kb=kb, groups=frozenset(g))) for g in ("", "s", "st", "ts")}
    assert len(pins) == 3


def test_settings_are_pinned_but_not_what_changes_no_answer() -> None:
    config = Config()
    assert policy_hash(config) != policy_hash(replace(config, retrieve=RetrieveConfig(top=7)))
    assert policy_hash(config) == policy_hash(replace(config, review=ReviewConfig(audit_every=3)))
    assert policy_hash(config) == policy_hash(replace(config, engine=EngineConfig(model="other")))


def test_of_a_policy_file_its_content_is_pinned(tmp_path: Path) -> None:
    def pinned(name: str, content: str) -> str:
        (tmp_path / name).write_text(content)
        return policy_hash(Config().with_policy(str(tmp_path / name)))

    before = pinned("ours.toml", '[answer]\nnames = "mask"\n')
    assert pinned("theirs.toml", '[answer]\nnames = "mask"\n') == before
    assert pinned("ours.toml", '[answer]\nnames = "block"\n') != before
    shipped = {policy_hash(Config().with_policy(name)) for name in ("strict", "balanced")}
    assert len(shipped | {before}) == 3


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja", "tokenizer.model"])
def test_every_file_of_a_model_folder_is_pinned(name: str, tmp_path: Path) -> None:
    config = Config(engine=EngineConfig(model=str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    before = engine_pin(config)
    (tmp_path / name).write_text("x")
    assert engine_pin(config) != before


def test_code_that_names_documents_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def sha256_of(path: Path) -> str:
        hashed.append(path.as_posix())
        return ""

    monkeypatch.setattr("evals.pins.sha256_of", sha256_of)
    code_hash.__wrapped__()
    for part in (
        "evals/documents.py",
        "evals/suites/qa.py",
        "rag/grounding.json",
        "ingest/chunk.py",
    ):
        assert any(path.endswith(part) for path in hashed), part
