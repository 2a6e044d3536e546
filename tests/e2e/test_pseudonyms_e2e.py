"""Pseudonyms from end to end: the real filters, the small model, and a vault on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.safety.vault_key import new_key

pytestmark = [pytest.mark.e2e, pytest.mark.models]

PHONE = "+44 131 496 0131"
NAME = "Fiona Maclure"
POLICY = """
[passage]
contact = "pseudonym"
names = "pseudonym"
[answer]
contact = "pseudonym"
names = "pseudonym"
[pseudonyms]
restore_for = ["hr"]
to_model = true
"""


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory, surefoot: Any, embedder_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "docs").mkdir()
    text = f"# Crew\n\nThe harbour master, {NAME}, answers the phone on {PHONE}.\n"
    (folder / "docs" / "crew.md").write_text(text)
    (folder / "names.toml").write_text(POLICY)
    done = surefoot("ingest", str(folder / "docs"), "--kb", str(folder / "kb"), "--json")
    assert done.code == 0, done.err
    return folder / "kb"


def test_the_model_and_the_files_know_a_pseudonym_only(
    kb: Path, surefoot: Any, small_lm_path: Path
) -> None:
    env = {
        "SUREFOOT_GUARD_POLICY": str(kb.parent / "names.toml"),
        "SUREFOOT_VAULT_KEY": new_key(),
        "SUREFOOT_GROUNDING_TRUST": "0",
    }
    question = f"Does {NAME} answer the phone on {PHONE}?"
    words = ("ask", question, "--kb", str(kb), "--conversation", "crew", "--json")
    restored = surefoot(*words, "--group", "hr", **env).json()
    veiled = surefoot(*words, **env).json()
    (first, *_) = sorted((kb / "traces").glob("*.json"))
    trace = json.loads(first.read_text())
    assert "<PHONE_NUMBER_1>" in json.dumps(trace["prompt"])
    kept = [path.read_bytes() for path in kb.glob("traces/*")]
    kept += [path.read_bytes() for path in (*kb.glob("conversations.db*"), *kb.glob("vault.db*"))]
    for value in (PHONE, *NAME.split()):
        assert value.encode() not in b"".join(kept)
        assert value not in json.dumps(veiled)
    if "<PHONE_NUMBER_1>" in trace["answer"]["text"]:
        assert PHONE in restored["answer"]
    assert surefoot("replay", str(first), **env).code == 0
    assert (
        f"<PHONE_NUMBER_1>  {PHONE}"
        in surefoot("vault", "list", "--kb", str(kb), "--reveal", **env).out
    )
