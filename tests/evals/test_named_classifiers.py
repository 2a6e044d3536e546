"""Classifiers that a config names, under the moderation and injection suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

import pytest

import rag.assemble
from evals.pins import policy_hash
from evals.suites.base import Options
from evals.suites.injection import SUITE as INJECTION
from evals.suites.moderation import SUITE as MODERATION
from evals.types import Case
from ingest.testing import HashEmbedder
from rag.config import Config
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.settings import GuardConfig
from rag.types import Stage


class Words:
    """Finds what it is named after; breaks on "break"."""

    def __init__(self, *labels: str) -> None:
        self.identity = "words"
        self.thresholds: Mapping[str, float] = dict.fromkeys(labels, 0.5)

    def classify(self, texts: Sequence[str], stage: Stage) -> list[Mapping[str, float]]:
        if any("break" in text for text in texts):
            raise RuntimeError("broken")
        return [
            {label: float(label.lower() in text) for label in self.thresholds} for text in texts
        ]


def _case(**row: Any) -> Case:
    return Case("1", "1", row, "")


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Options:
    def opened(config: Config, embedder: Any, role: str) -> ClassifierFilter:
        labels = ("HARM", "HATE") if role == "moderation" else ("PROMPT_INJECTION",)
        return ClassifierFilter(role, Words(*labels))

    monkeypatch.setattr(rag.assemble, "open_classifier", opened)
    monkeypatch.setattr(rag.assemble, "open_plain_embedder", lambda: HashEmbedder(8))
    return Options()


def test_moderation(named: Options) -> None:
    cases = [
        _case(text="Some hate here.", labels={"hate": 1}),
        _case(text="break it", labels={"hate": 0}),
    ]
    found, failed = MODERATION.open(named).run(cases, Event())
    assert found.data == {"scores": {"HARM": 0.0, "HATE": 1.0}, "found": ["HATE"]}
    assert failed.reason == "broken"
    assert MODERATION.score(cases[1], failed).values["hate/said"] == 1.0


def test_injection(named: Options) -> None:
    case = _case(text="A prompt_injection it is.", injection=True)
    [found] = INJECTION.open(named).run([case], Event())
    assert found.data == {"score": 1.0, "found": True}


def test_pins_tell_classifiers_apart() -> None:
    def of(**settings: Any) -> str:
        return policy_hash(Config(guard=GuardConfig(**settings)))

    pins = [of(), of(injection="granite:openai:a"), of(injection="granite:openai:b")]
    assert len(set(pins)) == 3
