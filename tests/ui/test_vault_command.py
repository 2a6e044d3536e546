"""`surefoot vault`, and pseudonyms through `ask`, `conversations` and `kb forget`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ingest.build import ingest
from ingest.store import KnowledgeBase
from ingest.testing import HashEmbedder
from rag.config import Config, PromptConfig, ReviewConfig
from rag.engines.scripted import ScriptedEngine
from rag.grounding import Grounder
from rag.pipeline import Assistant
from rag.retrieve import Retriever
from rag.safety.guard import Guard
from rag.safety.policy import DEFAULT, Restoring, Rule
from rag.safety.vault import Vault, beside, held
from rag.safety.vault_key import KEY_VARIABLE, NEXT_VARIABLE, new_key, parse_key
from rag.trace import Tracer
from rag.types import Finding, Stage

FILES = {
    "people.md": "# Harbour\n\nAnna Berg is the harbour master of Skarra since March.",
    "rafts.md": "# Rafts\n\nKarl Maier keeps the rafts of Skarra in the old shed.",
}
SAID = "<PERSON_1> is the harbour master of Skarra since March."
SHOWN = "Anna Berg is the harbour master of Skarra since March."
WHO = "Is Anna Berg the harbour master of Skarra?"
RAW = re.compile(rb"Anna|Berg")


class People:
    name = "people"

    def find(self, text: str, stage: Stage) -> list[Finding]:
        return [
            Finding(stage, "PERSON", m.start(), m.end(), 0.9, self.name)
            for m in re.finditer("Anna Berg|Karl Maier", text)
        ]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    text = new_key()
    monkeypatch.setenv(KEY_VARIABLE, text)
    return text


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path / "home"))
    (tmp_path / "docs").mkdir()
    for name, text in FILES.items():
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    (tmp_path / "names.toml").write_text('[pseudonyms]\nrestore_for = ["hr"]\n')
    monkeypatch.setenv("SUREFOOT_GUARD_POLICY", str(tmp_path / "names.toml"))
    ingest([tmp_path / "docs"], tmp_path / "kb", HashEmbedder())
    return tmp_path / "kb"


@pytest.fixture
def engine(kb: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    """`surefoot ask` with a policy of pseudonyms, and a model that says SAID."""
    embedder, engine = HashEmbedder(), ScriptedEngine((SAID,))
    policy = DEFAULT.with_rule("PERSON", Rule("pseudonym"))
    config = Config(prompt=PromptConfig(tokens=2000), review=ReviewConfig(audit_every=1))

    def opened(*_: object) -> Assistant:
        return Assistant(
            retriever=Retriever(KnowledgeBase.open(kb, embedder), embedder, config.retrieve),
            engine=engine,
            guard=Guard(
                [People()], replace(policy, restoring=Restoring(frozenset({"hr"}), to_model=True))
            ),
            grounder=Grounder(embedder),
            embedder=embedder,
            config=config,
            tracer=Tracer(kb / "traces", {"config": asdict(config)}),
        )

    monkeypatch.setattr(Assistant, "open", opened)
    return engine


def asked(surefoot: Any, kb: Path, *words: str) -> dict[str, Any]:
    code, out, err = surefoot("ask", WHO, "--kb", kb, "--json", *words)
    assert code == 0, err
    return dict(json.loads(out))


def written(kb: Path) -> bytes:
    """All that a base keeps but its own tables, which hold the documents."""
    kept = [path for path in kb.rglob("*") if path.is_file()]
    names = ("conversations", "vault", "review", "2")
    return b"".join(path.read_bytes() for path in kept if path.name.startswith(names))


def test_those_who_may_read_names_and_nothing_else_keeps_them(
    surefoot: Any, kb: Path, engine: ScriptedEngine, key: str
) -> None:
    assert asked(surefoot, kb)["answer"] == SAID
    assert asked(surefoot, kb, "--group", "hr")["answer"] == SHOWN
    for group in ("hr", "it"):
        found = asked(surefoot, kb, "--conversation", "masters", "--group", group)
        assert found["answer"] == (SHOWN if group == "hr" else SAID)
    assert b"<PERSON_1>" in written(kb)
    assert not RAW.search(written(kb))
    assert not RAW.search(repr(engine.asked).encode())
    assert [(row.label, row.values) for row in held(beside(kb))] == [("PERSON", 2)]
    for group in ("hr", "it"):
        words = ("conversations", "export", "masters", "--kb", kb, "--json", "--group", group)
        (turn, *_) = json.loads(surefoot(*words)[1])["turns"]
        name = "Anna Berg" if group == "hr" else "<PERSON_1>"
        assert turn["question"] == WHO.replace("Anna Berg", name)
        assert turn["answer"] == SAID.replace("<PERSON_1>", name)


def test_without_a_key_nothing_is_kept(
    surefoot: Any, kb: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    words = ("--conversation", "masters", "--group", "hr")
    assert asked(surefoot, kb, *words)["answer"] == SHOWN
    assert not beside(kb).exists()
    # The next process does not know who <PERSON_1> was, and calls nobody else so.
    assert asked(surefoot, kb, *words)["answer"] == SAID
    assert "<PERSON_2> is the harbour master" in repr(engine.asked[-1])


def test_what_goes_with_a_conversation(
    surefoot: Any, kb: Path, engine: ScriptedEngine, key: str
) -> None:
    asked(surefoot, kb, "--conversation", "masters")
    assert surefoot("conversations", "delete", "masters", "--kb", kb)[0] == 0
    assert held(beside(kb)) == []


def test_what_goes_with_a_document(
    surefoot: Any, kb: Path, engine: ScriptedEngine, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(beside(kb), parse_key(key)).of("c-1").name("PERSON", "Anna Berg")
    Vault(beside(kb), parse_key(key)).of("c-1").name("PERSON", "Karl Maier")
    path = kb.parent / "docs" / "people.md"
    monkeypatch.delenv(KEY_VARIABLE)
    code, _, err = surefoot("kb", "forget", path, "--kb", kb)
    assert (code, err.count("\n")) == (2, 1)
    assert KEY_VARIABLE in err
    monkeypatch.setenv(KEY_VARIABLE, key)
    code, out, _ = surefoot("kb", "forget", path, "--kb", kb, "--json")
    assert code == 0
    assert json.loads(out)["removed"]["names in the vault"] == 1
    assert [row.value for row in Vault(beside(kb), parse_key(key)).reveal()] == ["Karl Maier"]


def test_the_commands(surefoot: Any, kb: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert surefoot("vault", "list", "--kb", kb)[1] == "The vault is empty.\n"
    Vault(beside(kb), parse_key(key)).of("c-1").name("PERSON", "Anna Berg")
    code, out, _ = surefoot("vault", "list", "--kb", kb, "--json")
    assert json.loads(out) == {"names": [{"session": "c-1", "label": "PERSON", "values": 1}]}
    assert "Anna Berg" in surefoot("vault", "list", "--kb", kb, "--reveal")[1]
    following = surefoot("vault", "key")[1].strip()
    code, _, err = surefoot("vault", "rotate", "--kb", kb)
    assert (code, err.count("\n")) == (2, 1)
    assert NEXT_VARIABLE in err
    monkeypatch.setenv(NEXT_VARIABLE, following)
    assert "1 value(s)" in surefoot("vault", "rotate", "--kb", kb)[1]
    code, _, err = surefoot("vault", "list", "--kb", kb, "--reveal")
    assert (code, err) == (
        2,
        f"surefoot: vault: {KEY_VARIABLE} is not the key that it was sealed with\n",
    )
    monkeypatch.setenv(KEY_VARIABLE, following)
    assert "Anna Berg" in surefoot("vault", "list", "--kb", kb, "--reveal")[1]
    assert surefoot("vault", "forget", "c-1", "--kb", kb)[1] == "1 value(s) are gone.\n"
    assert surefoot("vault", "list", "--kb", kb.parent / "none")[0] == 2


@pytest.mark.parametrize("said", ["hunter2", "x" * 44])
def test_what_is_no_key_is_one_line(
    surefoot: Any, kb: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, said)
    code, out, err = surefoot("vault", "list", "--kb", kb, "--reveal")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said not in err
