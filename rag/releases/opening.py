"""Opens variants, and the router of a server over a knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.assemble import open_assistant, open_beside
from rag.calibrated import fixed
from rag.config import Config, load
from rag.observe import Observer
from rag.pipeline import Assistant
from rag.releases.live import LiveRouter, Metrics
from rag.releases.registry import Registry
from rag.releases.variant import DEFAULT, check, check_index


class Loader:
    """Opens the variants of a registry. `config` is the server's own: the default variant.

    Those that are opened beside another are heard by nobody.
    """

    def __init__(
        self, registry: Registry, kb: Path, config: Config, observers: Sequence[Observer] = ()
    ) -> None:
        self._registry = registry
        self._kb = kb
        self._config = config
        self._observers = observers

    def open(self, name: str, like: Assistant | None = None) -> Assistant:
        """A variant, with the parts of `like` that it has in common. Raises VariantChanged."""
        config = self._config
        if name != DEFAULT:
            variant = self._registry.get(name)
            check(variant, self._kb)
            # A variant never changes: what the base was calibrated to later is not its own.
            config = fixed(variant.config(config))
        if like is None:
            return open_assistant(self._kb, config=config, observers=self._observers)
        return open_beside(like, self._kb, config)

    def check(self, name: str) -> None:
        """Raises VariantChanged if the base has left the variant's generation. Reads no model."""
        check_index(self._registry.get(name), self._kb)


def open_router(
    kb: Path,
    config: Config | None = None,
    observers: Sequence[Observer] = (),
    metrics: Metrics | None = None,
    model: str | None = None,
) -> LiveRouter:
    """What a server over `kb` answers with: the stable variant, now, and trials as they come.

    Before a variant is promoted that is the default one: `config`, with `model` in it. `observers`
    hear how every question ends that a reader waits for, and `metrics` with the variant's name.
    Raises SurefootError in one clear line, VariantChanged among others.
    """
    config = (config or load()).with_model(model)
    registry = Registry.beside(kb)
    loader, name = Loader(registry, kb, config, observers), registry.state().stable
    stable = loader.open(name)
    # With the audit log that the base has anyway.
    return LiveRouter(registry, name, stable, loader, stable.observers, metrics)
