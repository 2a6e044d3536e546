"""The README's commands and its example are run as printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from evals.sample import CASES, DOCUMENTS
from rag.safety.policy_file import parse_policy

pytestmark = [pytest.mark.e2e, pytest.mark.models]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, small_lm_path: Path) -> Path:
    """A folder with docs/ and cases/, as the README has it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(DOCUMENTS, folder / "docs")
    shutil.copytree(CASES, folder / "cases")
    return folder


def test_there_are_commands() -> None:
    assert sum("surefoot" in command for command in commands()) >= 8


@pytest.mark.parametrize("command", commands())
def test_command(command: str, place: Path, surefoot: Any) -> None:
    if command.startswith("make "):
        done = subprocess.run(
            ["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0
        return
    *before, last = command.split(" | ")
    stdin = shlex.split(before[0])[1].encode() + b"\n" if before else b""
    words = shlex.split(last)
    settings = dict(word.split("=", 1) for word in takewhile(lambda word: "=" in word, words))
    arguments = words[len(settings) :]
    assert arguments[0] == "surefoot"
    if arguments[1] == "chat":
        assert surefoot("chat", "--help").code == 0  # the browser test opens the page itself
        return
    done = surefoot(*arguments[1:], stdin=stdin, cwd=place, **settings)
    assert done.code == 0, done.err
    assert (done.out + done.err).strip()


def test_the_policy_is_one() -> None:
    (policy,) = (block for block in blocks("toml") if "base =" in block)
    assert parse_policy(policy.encode(), "README.md").hosts


def test_example(place: Path, surefoot: Any) -> None:
    assert surefoot("ingest", "docs/", "--kb", "kb", cwd=place).code == 0
    first, conversation = (code for code in blocks("python") if "rag" in code)
    said = run_python(first, place)
    assert said.startswith("answered")
    assert "annual-leave.md" in said
    run_python(conversation, place)
    assert "carry over?" in surefoot("conversations", "show", "leave", "--kb", "kb", cwd=place).out


def run_python(code: str, place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env={**os.environ, "SUREFOOT_ENGINE_MODEL": "qwen2.5-coder-0.5b"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
