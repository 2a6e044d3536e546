"""An engine that says what it is told: deterministic, for tests and demonstrations.

Its tokens are words, so counts are easy to follow; it keeps what it was asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Sequence
from threading import Event

from rag.engines.beams import one_beam
from rag.engines.stops import StopScanner
from rag.types import Decoding, Message, Token

_TOKEN = re.compile(r"\s*\S+|\s+")
PER_MESSAGE = 4


class ScriptedEngine:
    """Gives `replies` in turn, the last one again and again, one word a token."""

    def __init__(
        self,
        replies: Sequence[str],
        window: int = 4096,
        name: str = "scripted",
        choice: float = 2.0,
    ) -> None:
        if not replies:
            raise ValueError("a scripted engine needs at least one reply")
        self.name = name
        self.window = window
        self.sha256 = hashlib.sha256("\0".join(replies).encode()).hexdigest()
        self.asked: list[tuple[Message, ...]] = []
        self._replies = list(replies)
        self._choice = choice

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words, and four a message for the template."""
        return sum(PER_MESSAGE + len(_TOKEN.findall(message.content)) for message in messages)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """The next reply, word by word; the log-probability of every token is -0.1."""
        one_beam(self.name, decoding)
        self.asked.append(tuple(messages))
        reply = self._replies[min(len(self.asked), len(self._replies)) - 1]
        scanner = StopScanner(decoding.stop)
        for number, match in enumerate(_TOKEN.finditer(reply)):
            if cancel.is_set() or scanner.stopped or number >= decoding.max_tokens:
                break
            yield Token(scanner.feed(match.group()), number, -0.1)
        if rest := scanner.finish():
            yield Token(rest, -1, 0.0)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """The first choice is `choice` nats likelier than each of the others."""
        del messages
        return [-0.5 if index == 0 else -0.5 - self._choice for index in range(len(choices))]

    def rewind(self, messages: Sequence[Message]) -> None:
        """Nothing to do: it has no cache. What it says next does not change."""
        del messages
