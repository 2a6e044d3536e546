"""The engine that a config names. Loads the library of that engine, and no other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.config import Config
from rag.engines.settings import SERVED, EngineConfig
from rag.errors import ConfigError
from rag.models import catalogue, resolve, sha256_of
from rag.types import Engine

KEY_VARIABLE = "SUREFOOT_OPENAI_API_KEY"


def open_engine(
    config: Config, template: str = "", values: Mapping[str, Any] | None = None
) -> Engine:
    """The engine that fits what `engine.model` names: GGUF to llama.cpp, openai:NAME to a server.

    All else goes to transformers. A `template` takes the place of the model's chat template, but on
    a server, whose own is given the `values`.
    """
    name, settings = config.engine.model, config.engine
    path = Path(name).expanduser()
    if name in catalogue() or path.suffix == ".gguf":
        from rag.engines.llamacpp import LlamaCppEngine

        known = catalogue().get(name)
        file = resolve(name) if known else _existing(path)
        digest = known.sha256 if known else sha256_of(file)
        return LlamaCppEngine(
            file,
            name,
            digest,
            settings.window,
            settings.threads or None,
            settings.slots or 1,
            template,
        )
    if name.startswith(SERVED):
        return _open_served(name.removeprefix(SERVED), settings, values)
    from rag.engines.hf import TransformersEngine

    return TransformersEngine(
        name,
        settings.window,
        settings.slots,
        settings.lookup,
        settings.quantize,
        settings.compile,
        template,
    )


def _open_served(name: str, settings: EngineConfig, values: Mapping[str, Any] | None) -> Engine:
    """A server's model. Its key is in no config, so it gets into no trace."""
    from rag.engines.counting import Counter, estimated, local_counter
    from rag.engines.openai import OpenAIEngine

    if not settings.base_url:
        problem = "must say where the server is, such as http://127.0.0.1:8000/v1"
        raise ConfigError("engine.base_url", problem)
    count: Counter | None = local_counter(Path(settings.tokenizer)) if settings.tokenizer else None
    guessed = count is None and settings.count == "estimate"
    return OpenAIEngine(
        name,
        settings.base_url,
        os.environ.get(KEY_VARIABLE, ""),
        settings.window,
        settings.timeout_s,
        estimated if guessed else count,
        counts_exactly=not guessed,
        template_values=values,
    )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError("engine.model", f"there is no file {path}")
    return path
