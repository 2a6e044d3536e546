"""Which assistant answers a conversation. A leaf of the releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rag.pipeline import Assistant


@dataclass(frozen=True, slots=True)
class Served:
    """The variant that answers, by name. `assistant` is for this one question of it.

    With `fresh`, an answer kept from before may not stand in for one: the variants are on trial,
    and those who answer from a cache would seem to answer fewer questions.
    """

    name: str
    assistant: Assistant
    fresh: bool = False


class Router(Protocol):
    """Chooses by conversation: the same one meets the same variant while a trial lasts."""

    def pick(self, conversation: str) -> Served: ...


class OneVariant:
    """The same assistant for everyone: a service without releases."""

    def __init__(self, assistant: Assistant, name: str = "default") -> None:
        self._served = Served(name, assistant)

    def pick(self, conversation: str) -> Served:  # noqa: ARG002  there is no choice
        return self._served
