"""Once the models are here, nothing needs a network: every socket is refused, and it answers."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from evals.sample import DEMO
from rag.pipeline import Assistant

pytestmark = [pytest.mark.e2e, pytest.mark.models]


def test_answers_with_every_socket_refused(
    sample_kb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(arguments[-1])
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    question = json.loads(DEMO.read_text())["questions"][0]["question"]
    answer = Assistant.open(sample_kb, "qwen2.5-coder-0.5b").answer(question)
    assert answer.status == "answered"
    assert answer.sentences[0].citations
    assert tried == []
