"""Classifiers put together by the names in a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

from rag.errors import ConfigError
from rag.safety.classifiers.cascade import Cascade, Grey
from rag.safety.classifiers.filter import ClassifierFilter
from rag.safety.classifiers.generative import GenerativeClassifier
from rag.safety.classifiers.labels import ROLES, parse_labels, short
from rag.safety.classifiers.local import engine_model, named, pin, wording
from rag.safety.classifiers.names import HUB, SHIPPED, ClassifierName
from rag.safety.classifiers.templates import Risk, shipped_template
from rag.safety.classifiers.types import Classifier
from rag.safety.floors import NO_FLOORS, Floors
from rag.safety.settings import GuardConfig
from rag.types import Engine, Stage

# A model's name, a chat template in place of its own, and values for that of a server.
OpenEngine = Callable[[str, str, Mapping[str, Any]], Engine]


class Named:
    """The classifiers that a config names. `engine` opens that of a generative guard.

    A role is a filter of the guard and its setting: "moderation" or "injection".
    """

    def __init__(self, config: GuardConfig, engine: OpenEngine) -> None:
        self._config = config
        self._engine = engine

    def pin(self, role: str) -> str:
        """All that the filter depends on; "" for the shipped one. Raises SurefootError."""
        return pin(self._config, role)

    def filter(
        self, role: str, shipped: Callable[[], Classifier], floors: Floors = NO_FLOORS
    ) -> ClassifierFilter | None:
        """The filter of named classifiers, None for the shipped one. Raises SurefootError.

        `shipped` gives the heads as a classifier, where a name asks for them.
        """
        names, grey = named(self._config, role), Grey(*self._config.grey)
        if not names:
            return None
        opened = [
            shipped() if name.kind == SHIPPED else self._classifier(role, name) for name in names
        ]
        # From the right: what the last but one is unsure of goes to the last.
        chain = reduce(lambda dear, cheap: Cascade(cheap, dear, grey), reversed(opened))
        return ClassifierFilter(role, chain, floors=floors)

    def _classifier(self, role: str, name: ClassifierName) -> Classifier:
        field, wanted, threshold = f"guard.{role}", ROLES[role], self._config.threshold
        if name.kind != HUB:
            return self._generative(name, field, wanted)
        from rag.safety.classifiers.hub import open_hub

        return open_hub(name, field, parse_labels(self._config.labels), wanted, threshold)

    def _generative(self, name: ClassifierName, field: str, wanted: frozenset[str]) -> Classifier:
        template = shipped_template(name.kind)
        if not wanted.intersection(template.labels):
            raise ConfigError(field, f"{name.kind} finds nothing that this filter is for")
        model = engine_model(name, field)

        @cache
        def opened(risk: Risk | None, stage: Stage) -> Engine:
            values = template.values(risk, stage) if risk else {}
            return self._engine(model, template.chat, values)

        def engine_for(risk: Risk, stage: Stage) -> Engine:
            # A local engine takes the whole prompt from us, so one serves all risks.
            return opened(risk, stage) if name.served else opened(None, "question")

        sha256 = engine_for(template.risks[0], "question").sha256
        identity = f"{name.kind}:{short(name.model)} {sha256[:16]} {wording(name)}"
        return GenerativeClassifier(
            template, engine_for, identity, wanted, self._config.threshold, name.served
        )
