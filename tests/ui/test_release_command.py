"""`surefoot release`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.pins import engine_pin, policy_hash
from evals.rundir import GATE, INFO, RESULTS
from ingest.build import ingest
from ingest.testing import HashEmbedder
from rag.config import load
from rag.releases.registry import Registry


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "kept.md").write_text("# Kept\n\nFive days may be carried over.")
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    monkeypatch.setenv("SUREFOOT_ENGINE_MODEL", str(tmp_path / "tiny.gguf"))
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def surefoot(surefoot: Any, kb: Path) -> Any:
    """The command over the knowledge base."""
    return lambda *words: surefoot(*words, "--kb", kb)


@pytest.fixture
def two(surefoot: Any, tmp_path: Path) -> Any:
    (tmp_path / "v2.toml").write_text('[prompt]\nsystem = "Be brief."\n')
    surefoot("release", "add", "v1", "--note", "first")
    surefoot("release", "promote", "v1")
    assert surefoot("release", "add", "v2", "--config", tmp_path / "v2.toml")[0] == 0
    return surefoot


def test_from_the_first_variant_to_the_second(two: Any, tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("least = 20\n")
    words = ("canary", "v2", "--share", 0.25, "--gates", tmp_path / "gates.toml")
    begun = json.loads(two("release", *words, "--auto-promote", "--json")[1])
    assert (begun["share"], begun["baseline"], begun["verdict"]["decision"]) == (0.25, "v1", "wait")
    assert (begun["gates"]["least"], begun["gates"]["auto_promote"]) == (20, True)
    code, out, _ = two("release", "status")
    assert code == 0
    for said in ("Served: v1", "Canary: v2 beside v1, 25%", "0 of at least 20", "v2 canary by"):
        assert said in out
    promoted = json.loads(two("release", "promote", "v2", "--why", "brief", "--json")[1])
    assert (promoted["stable"], promoted["trial"]["decision"]) == ("v2", "wait")
    listed = json.loads(two("release", "list", "--json")[1])["variants"]
    assert [(row["name"], row["role"]) for row in listed] == [("v1", ""), ("v2", "stable")]
    shown = json.loads(two("release", "show", "v2", "--json")[1])
    assert (shown["system"], shown["lineage"]["parent"]) == ("Be brief.", "v1")
    assert [event["kind"] for event in shown["events"]] == ["added", "canary", "promoted"]
    assert two("release", "rollback")[1] == "v2 is rolled back; v1 is served.\n"
    status = json.loads(two("release", "status", "--json")[1])
    assert (status["stable"], status["trial"], len(status["events"])) == ("v1", None, 6)


def test_what_people_read(two: Any) -> None:
    listed = two("release", "list")[1]
    assert "stable" in listed
    assert "“first”" in listed
    shown = two("release", "show", "v2")[1]
    for said in ("parent: v1", "index: latest", "prompt: sha256 ", "v2 added by "):
        assert said in shown
    assert two("release", "canary", "v2", "--shadow")[1].startswith("Shadow: v2 beside v1, 10%")


def test_nothing_yet(surefoot: Any) -> None:
    assert surefoot("release", "list")[1].startswith("No variants yet")
    assert surefoot("release", "status")[1] == "Served: default\n"
    code, _, err = surefoot("release", "rollback")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "v1"), "variants never change"),
        (("add", "a b"), "letters"),
        (("add", "v9", "--model", "/none.gguf"), "no file"),
        (("show", "v9"), "no variant 'v9'"),
        (("canary", "v1"), "stable variant already"),
        (("canary", "v2", "--share", "1"), "share must be over 0"),
        (("promote", "v2", "--run", "none"), "no run is here"),
    ],
)
def test_what_can_not_be_is_one_line(two: Any, words: tuple[str, ...], said: str) -> None:
    code, _, err = two("release", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_a_variant_that_changed_is_refused(two: Any, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"others")
    for words in (("promote", "v2"), ("canary", "v2")):
        code, _, err = two("release", *words)
        assert code == 2
        assert "its model has changed" in err


def test_a_pinned_variant_names_its_generation(surefoot: Any, kb: Path) -> None:
    surefoot("release", "add", "v1", "--pin")
    assert Registry.beside(kb).get("v1").index == 1
    ingest([kb.parent / "tiny.gguf", kb.parent / "docs"], kb, HashEmbedder())
    (kb.parent / "docs" / "new.md").write_text("# New\n\nSix days now.")
    ingest([kb.parent / "docs"], kb, HashEmbedder())
    assert "its index has changed" in surefoot("release", "promote", "v1")[2]


@pytest.mark.parametrize(
    ("change", "verdict", "code", "said"),
    [
        ({}, "pass", 0, "v1 is served to everyone now."),
        ({}, "fail", 4, "said no: em fell"),
        ({}, None, 4, "no gate's verdict"),
        ({"suite": "pii"}, "pass", 4, "a run of pii"),
        ({"model": "other:1 x"}, "pass", 4, "another model"),
        ({"policy": "other"}, "pass", 4, "other settings"),
    ],
)
def test_a_run_decides(
    surefoot: Any, tmp_path: Path, change: Any, verdict: str | None, code: int, said: str
) -> None:
    surefoot("release", "add", "v1")
    pins = {
        "suite": "qa",
        "model": f"{engine_pin(load())} x",
        "policy": policy_hash(load(), ["hr"]),
    }
    row = {"pins": {**pins, **change}, "sources": [], "n": 3, "sample": None, "seed": 0}
    (tmp_path / INFO).write_text(json.dumps({**row, "settings": {"groups": ["hr"]}}))
    (tmp_path / RESULTS).write_text(json.dumps({"suite": "qa", "n": 3, "metrics": {}}))
    if verdict:
        (tmp_path / GATE).write_text(json.dumps({"verdict": verdict, "reasons": ["em fell"]}))
    found = surefoot("release", "promote", "v1", "--run", tmp_path)
    assert found[0] == code
    assert said in found[1] + found[2]
