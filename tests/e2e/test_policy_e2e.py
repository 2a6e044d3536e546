"""A policy from end to end: what the company says of itself passes, what is a person's does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.assemble import open_assistant
from rag.config import load
from rag.reading import read as readable
from rag.trace import Tracer

OURS, THEIRS = "+44 131 496 0100", "+44 131 496 0131"
POLICY = '[allow]\ndocuments = ["contact.md"]\n'


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory, surefoot: Any, embedder_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "contact.md").write_text(
        f"# Contact\n\nThe ferry office answers the phone on {OURS} from nine to five.\n"
    )
    (docs / "crew.md").write_text(
        f"# Crew\n\nFiona Maclure, the harbour master, answers the phone at home on {THEIRS}.\n"
        f"She can be asked to call the ferry office on {OURS} at night.\n"
    )
    (folder / "ours.toml").write_text(POLICY)
    done = surefoot("ingest", str(docs), "--kb", str(folder / "kb"), "--json")
    assert done.code == 0, done.err
    return folder / "kb"


def read(kb: Path, question: str, policy: str) -> str:
    """What may be read of the passages, and what was answered."""
    config = load().with_policy(policy).with_model("qwen2.5-coder-0.5b")
    config = replace(config, engine=replace(config.engine, max_tokens=48))
    assistant = open_assistant(kb, config=config, tracer=Tracer(None, {}))
    passages = assistant.retriever.retrieve(question)
    reading = readable(question, passages, assistant.guard, assistant.embedder)
    answer = assistant.answer(question)
    return "\n".join([*(unit.text for unit in reading.units), answer.text])


@pytest.mark.e2e
def test_a_public_number_passes_and_a_persons_does_not(kb: Path, small_lm_path: Path) -> None:
    question = "On which phone number does the ferry office answer, and Fiona Maclure at home?"
    said = read(kb, question, str(kb.parent / "ours.toml"))
    assert OURS in said
    assert THEIRS not in said
    assert "<PHONE_NUMBER>" in said
    shut = read(kb, question, "balanced")
    assert OURS not in shut
    assert THEIRS not in shut


@pytest.mark.e2e
def test_the_guard_by_itself_knows_the_public_number_of_a_base(kb: Path, surefoot: Any) -> None:
    said = f"The office is on {OURS}, Fiona on {THEIRS}."
    policy = ("--policy", str(kb.parent / "ours.toml"))
    before = sorted(path.name for path in kb.iterdir())
    for stage in ("passage", "answer"):
        done = surefoot("guard", *policy, "--kb", str(kb), "--stage", stage, stdin=said.encode())
        assert done.out == f"The office is on {OURS}, Fiona on <PHONE_NUMBER>.\n"
        assert done.err == "REDACT: PHONE_NUMBER\n"
    assert sorted(path.name for path in kb.iterdir()) == before
    alone = surefoot("guard", *policy, stdin=said.encode())
    assert OURS not in alone.out
    assert alone.err.splitlines()[0].endswith("without --kb none is known")
    missing = surefoot("guard", *policy, "--kb", str(kb.parent / "none"), stdin=said.encode())
    assert missing.code not in (0, 1)
    assert missing.err.count("\n") == 1
