"""One prompt in a batch: what was said to it so far, and what of it the model has read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Event
from typing import Any

from rag.engines.hf.choose import Chosen, chooser
from rag.errors import EngineError
from rag.types import Decoding


class Stream:
    """One prompt and what has been said to it; with `limit` 0 only the logits after it count."""

    def __init__(
        self, prompt: Sequence[int], decoding: Decoding, limit: int, cancel: Event
    ) -> None:
        self.ids = list(prompt)
        self.decoding, self.limit, self.cancel = decoding, limit, cancel
        self.longest = len(self.ids) + limit
        self.chance = chooser(decoding.seed)
        self.out: deque[Chosen] = deque()
        self.row = 0
        self.known = 0
        self.logits: Any = None
        self.ended = False
        self.error: EngineError | None = None

    @property
    def over(self) -> bool:
        """True if it needs no more steps."""
        return self.ended or self.cancel.is_set()

    @property
    def unread(self) -> int:
        """How many of its tokens the model has not read; one, while it is being decoded."""
        return len(self.ids) - self.known

    def say(self, chosen: Chosen, ends: frozenset[int]) -> None:
        """Take the next token, which may be the last one."""
        if chosen[0] in ends:
            self.ended = True
            return
        self.ids.append(chosen[0])
        self.out.append(chosen)
        if len(self.ids) >= self.longest:
            self.ended = True

    def fail(self, error: EngineError) -> None:
        self.error, self.ended = error, True
