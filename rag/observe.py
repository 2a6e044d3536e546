"""Who hears how questions end: the audit log, telemetry, releases. A leaf."""

from __future__ import annotations

from typing import Protocol

from rag.types import Answer


class Observer(Protocol):
    """Hears how every question ended, once each. It must not raise; it says by log what went wrong.

    `began_ns` is when the question came, in nanoseconds of Unix time; `by` names the asker. An
    `error` of GeneratorExit is a reader who left.
    """

    def answered(self, answer: Answer, began_ns: int, by: str) -> None: ...

    def failed(self, error: BaseException, began_ns: int, by: str) -> None: ...
