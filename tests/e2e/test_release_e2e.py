"""Releases with a real model: two variants answer side by side, a broken one meets nobody."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.config import Config
from rag.engines.settings import EngineConfig
from rag.releases.live import LiveRouter
from rag.releases.opening import open_router
from rag.releases.registry import Registry
from rag.releases.trial import Trial

pytestmark = pytest.mark.e2e

SMALL = "qwen2.5-coder-0.5b"
ASK = "How many days of annual leave do staff get?"
V2 = "[retrieve]\ntop = 3\n[engine]\nmax_tokens = 64\n[grounding]\ntrust = 0.4\n"


@pytest.fixture
def kb(sample_kb: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_kb, tmp_path / "kb"))


@pytest.fixture
def router(kb: Path, surefoot: Any) -> LiveRouter:
    """A server's router that began before there were any releases."""
    config = Config(engine=EngineConfig(model=SMALL))
    served = open_router(kb, config)
    assert served.pick("a").name == "default"
    assert surefoot("release", "add", "v1", "--kb", str(kb)).code == 0
    assert surefoot("release", "promote", "v1", "--kb", str(kb)).code == 0
    until(lambda: served.pick("a").name == "v1")
    return served


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def met(trial: Trial, canary: bool) -> str:
    return next(name for name in map(str, range(10_000)) if trial.takes(name) == canary)


def test_two_variants_answer_side_by_side(
    kb: Path, router: LiveRouter, surefoot: Any, tmp_path: Path
) -> None:
    (tmp_path / "v2.toml").write_text(V2)
    config = ("--config", str(tmp_path / "v2.toml"))
    assert surefoot("release", "add", "v2", "--kb", str(kb), *config).code == 0
    assert surefoot("release", "canary", "v2", "--kb", str(kb), "--share", "0.5").code == 0
    trial = Registry.beside(kb).state().trial
    assert trial is not None
    names = {"v1": met(trial, canary=False), "v2": met(trial, canary=True)}
    until(lambda: router.pick(names["v2"]).name == "v2")
    for variant, name in names.items():
        served = router.pick(name)
        assert served.name == variant
        answer = served.assistant.answer(ASK)
        assert answer.status == "answered"
        assert len(answer.passages) <= (3 if variant == "v2" else 6)
    one, other = (router.pick(names[variant]).assistant for variant in ("v1", "v2"))
    assert one.engine is other.engine
    assert one.guard is other.guard
    assert one.retriever is not other.retriever
    status = surefoot("release", "status", "--kb", str(kb), "--json").json()
    counted = status["trial"]["canary"], status["trial"]["base"]
    assert [arm["conversations"] for arm in counted] == [1, 1]
    assert surefoot("release", "promote", "v2", "--kb", str(kb)).code == 0
    until(lambda: router.pick(names["v1"]).name == "v2")
    assert router.pick(names["v1"]).assistant.answer(ASK).status == "answered"


def test_a_broken_model_meets_nobody(
    kb: Path, router: LiveRouter, surefoot: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"no weights" * 100)
    words = ("--kb", str(kb), "--model", str(broken))
    assert surefoot("release", "add", "v2", *words).code == 0
    assert surefoot("release", "canary", "v2", "--kb", str(kb), "--share", "0.5").code == 0
    answers = [router.pick(str(number)).assistant.answer(ASK) for number in range(3)]
    until(lambda: router.pick("a") and Registry.beside(kb).state().trial is None)
    answers.append(router.pick("late").assistant.answer(ASK))
    assert {answer.status for answer in answers} == {"answered"}
    assert {answer.model.name for answer in answers} == {SMALL}
    last = surefoot("release", "status", "--kb", str(kb), "--json").json()["events"][-1]
    assert (last["kind"], last["variant"], last["by"]) == ("rolled back", "v2", "server")
    assert "could not be loaded" in last["why"]
