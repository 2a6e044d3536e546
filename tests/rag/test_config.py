"""Settings from file and environment, and errors that name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.config import Config, load
from rag.errors import ConfigError


def test_defaults_are_valid() -> None:
    assert load(env={}) == Config()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "surefoot.toml"
    file.write_text('[prompt]\ntokens = 800\n[engine]\nmodel = "a"\n[guard]\nshow = ["PERSON"]\n')
    config = load(env={"SUREFOOT_ENGINE_MODEL": "b", "SUREFOOT_CONFIG": str(file)})
    assert config.prompt.tokens == 800
    assert config.engine.model == "b"
    assert config.guard.show == ("PERSON",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[prompt]\ntokens = 3", "prompt.tokens"),
        ("[prompt]\nwords = 3", "prompt.words"),
        ("[kitchen]\nx = 1", "kitchen"),
        ('[retrieve]\ntop = "many"', "retrieve.top"),
        ('[grounding]\npolicy = "hope"', "grounding.policy"),
        ('[grounding]\ncalibrated = "perhaps"', "grounding.calibrated"),
        ("[review]\naudit_every = -1", "review.audit_every"),
        ("[serve]\nport = 70000", "serve.port"),
        ('[serve]\ncors = ["*"]', "serve.cors"),
        ("[serve]\ntimeout_s = 0", "serve.timeout_s"),
        ("not toml", "surefoot.toml"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "surefoot.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(env={}, file=file)
    assert named in str(caught.value)


@pytest.mark.parametrize("tokens", [0, 64, 512])
def test_tokens_of_a_prompt_may_be_left_to_the_machine(tokens: int) -> None:
    assert load(env={"SUREFOOT_PROMPT_TOKENS": str(tokens)}).prompt.tokens == tokens


@pytest.mark.parametrize(("word", "on"), [("true", True), ("False", False), ("0", False)])
def test_a_switch_is_read_as_a_word(word: str, on: bool) -> None:
    assert load(env={"SUREFOOT_GROUNDING_CALIBRATED": word}).grounding.calibrated is on


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError):
        load(env={"SUREFOOT_CONFIG": "/nowhere/surefoot.toml"})
