"""How likely a causal LM finds each token of a text that somebody else wrote. A leaf.

A model that reads a sentence after its sources finds it likelier than without them, if they say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol, runtime_checkable

from rag.types import Message


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token of a reply, which ends before character `end` of it. Natural logs.

    `entropy` is that of what the model expected here, `best` the log-probability of its first
    choice: `logprob` equals it where that is what was written.
    """

    end: int
    logprob: float
    entropy: float
    best: float


@runtime_checkable
class ReadsReplies(Protocol):
    """An engine that scores a given reply as if it had to write it. Raises EngineError."""

    def reply_scores(
        self, messages: Sequence[Message], reply: str, cancel: Event | None = None
    ) -> list[TokenScore]: ...
