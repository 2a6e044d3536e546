"""`surefoot` with an engine that takes its time and says always the same; all else is real."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence
from threading import Event, Lock

import rag.assemble
from rag.config import Config
from rag.engines.scripted import ScriptedEngine
from rag.types import Decoding, Engine, Message, Token
from ui.cli import main

REPLY = "You may carry over up to five days of unused annual leave into the next year."
TOKEN_S = 0.003
PROMPT_S = 0.03


class Timed(ScriptedEngine):
    """One stream at a time, as of a model that is shared; it keeps nothing of what it was asked."""

    def __init__(self) -> None:
        super().__init__([REPLY])
        self._alone = Lock()

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        with self._alone:
            for token in super().stream(messages, decoding, cancel):
                time.sleep(TOKEN_S)
                yield token
            self.asked.clear()

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        with self._alone:
            time.sleep(PROMPT_S)
        return super().score(messages, choices)


def _timed(config: Config) -> Engine:
    return Timed()


if __name__ == "__main__":
    rag.assemble.open_engine = _timed
    sys.argv[0] = "surefoot"
    main()
