"""One line for every rule that a setting must keep. A leaf."""

from __future__ import annotations

from rag.errors import ConfigError


def require(ok: bool, name: str, problem: str) -> None:
    """Raises ConfigError about the setting `name` unless `ok`."""
    if not ok:
        raise ConfigError(name, problem)
