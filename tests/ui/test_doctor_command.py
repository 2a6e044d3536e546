"""`surefoot doctor` names the GPUs, and what fits this machine."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from rag.engines.advice import Card
from ui.cli import app
from ui.commands import doctor
from ui.commands.doctor import parse_cards


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("", ()),
        ("NVIDIA L4, 23034, 8.9\n", (Card("NVIDIA L4", 23034 * 2**20 / 1e9, 8.9),)),
        ("A, B, 1000, 7.5\n", (Card("A, B", 1000 * 2**20 / 1e9, 7.5),)),
        ("NVIDIA L4, [N/A], 8.9\nfailed\n", ()),
    ],
)
def test_reads_what_the_driver_says(text: str, cards: tuple[Card, ...]) -> None:
    assert parse_cards(text) == cards


@pytest.mark.parametrize(
    ("said", "model"), [("", "qwen2.5-coder"), ("Card, 24000, 8.9\n", "Qwen/Qwen2.5-7B-Instruct")]
)
def test_says_what_fits(monkeypatch: pytest.MonkeyPatch, said: str, model: str) -> None:
    """For people in two lines, for programs in an object."""
    done: Any = subprocess.CompletedProcess([], 0, stdout=said)
    monkeypatch.setattr(doctor.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(doctor, "version", lambda _: "2.13.0+cu130")
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert report["choice"]["model"].startswith(model)
    assert report["machine"]["gpu"] == (said.partition(",")[0] or None)
    lines = CliRunner().invoke(app, ["doctor"]).stdout.splitlines()
    assert any(line.startswith(f"choice     --model {model}") for line in lines)


def test_a_driver_that_hangs_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 20)

    monkeypatch.setattr(doctor.shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", hang)
    assert doctor._cards() == ()
    assert "does not answer" in capsys.readouterr().err


def test_says_what_classifies_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_GUARD_INJECTION", "shipped>hf:nobody/nothing")
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert report["guard"] == {"moderation": "shipped", "injection": "shipped>hf:nobody/nothing"}
    assert any("guard.injection" in line for line in report["missing"])
