"""The names of classifiers: KIND:MODEL, several joined by ">". A leaf."""

from __future__ import annotations

from dataclasses import dataclass

from rag.engines.settings import SERVED
from rag.errors import ConfigError

SHIPPED = "shipped"
HUB = "hf"
GENERATIVE = ("llamaguard", "shieldgemma", "granite")
KINDS = (HUB, *GENERATIVE)
NEXT = ">"


@dataclass(frozen=True, slots=True)
class ClassifierName:
    """A kind, and a hub name or folder; for a generative one an engine's name. "" if shipped."""

    kind: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.model}" if self.model else self.kind

    @property
    def served(self) -> bool:
        """Whether a server holds the model, and its chat template with it."""
        return self.model.startswith(SERVED)


def parse_chain(text: str, field: str) -> tuple[ClassifierName, ...]:
    """The classifiers that a setting names, cheapest first; "" is the shipped one alone.

    Raises ConfigError about `field`.
    """
    if not text.strip():
        return (ClassifierName(SHIPPED),)
    return tuple(_parse(part.strip(), field) for part in text.split(NEXT))


def _parse(text: str, field: str) -> ClassifierName:
    if text == SHIPPED:
        return ClassifierName(SHIPPED)
    kind, colon, model = text.partition(":")
    if not colon or kind not in KINDS:
        known = ", ".join(f"{name}:" for name in KINDS)
        raise ConfigError(field, f"{text!r} is neither {SHIPPED!r} nor begins with one of {known}")
    if not model:
        raise ConfigError(field, f"{text!r} names no model; give a folder or a hub name")
    return ClassifierName(kind, model)
