"""`openai:NAME` opens a server's model by config; its key stays in the environment."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from rag.config import Config
from rag.engines.counting import counts_exactly
from rag.engines.opening import KEY_VARIABLE, open_engine
from rag.engines.settings import EngineConfig
from rag.errors import ConfigError

KEY = "sk-of-the-environment"


def test_opens_a_served_model(chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    config = Config(engine=EngineConfig(model="openai:m", base_url=chat_server.url))
    engine = open_engine(config)
    assert engine.name == "m"
    assert engine.score([], ("Yes",)) == [-0.2]
    assert chat_server.keys == [f"Bearer {KEY}"]
    assert KEY not in str(asdict(config)) + repr(engine)


@pytest.mark.parametrize("folder", [True, False])
def test_counts_by_a_folder_or_by_estimate(chat_server: Any, tiny_lm: str, folder: bool) -> None:
    chat_server.counts = False
    how = {"tokenizer": tiny_lm} if folder else {"count": "estimate"}
    settings = EngineConfig(model="openai:m", base_url=chat_server.url, **how)  # type: ignore[arg-type]
    assert counts_exactly(open_engine(Config(engine=settings))) is folder


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("base_url", ""),
        ("base_url", "file:///etc"),
        ("base_url", "http://name:word@host/v1"),
        ("timeout_s", 0.0),
        ("count", "roughly"),
        ("quantize", "3bit"),
        ("beams", 0),
        ("slots", -1),
        ("lookup", 65),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, value: Any) -> None:
    options = {"model": "openai:m", setting: value}
    with pytest.raises(ConfigError, match=f"engine.{setting}"):
        open_engine(Config(engine=EngineConfig(**options)))


def test_a_servers_chat_template_is_given_values(chat_server: Any) -> None:
    config = Config(engine=EngineConfig(model="openai:m", base_url=chat_server.url))
    open_engine(config, "", {"guideline": "Be kind."}).score([], ("Yes",))
    open_engine(config).score([], ("Yes",))
    told, plain = chat_server.asked
    assert told["chat_template_kwargs"] == {"guideline": "Be kind."}
    assert "chat_template_kwargs" not in plain
