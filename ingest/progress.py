"""How a long job tells where it is. Stages: read, chunk, embed, index, scan."""

from __future__ import annotations

from typing import Literal, Protocol

Stage = Literal["read", "chunk", "embed", "index", "scan"]


class Progress(Protocol):
    """Told of every step and every failure. `total` is None where it is not known yet."""

    def start(self, stage: Stage, total: int | None) -> None: ...

    def advance(self, stage: Stage, n: int = 1) -> None: ...

    def failed(self, path: str, reason: str) -> None: ...


class _Silent:
    def start(self, stage: Stage, total: int | None) -> None:
        """Say nothing."""

    def advance(self, stage: Stage, n: int = 1) -> None:
        """Say nothing."""

    def failed(self, path: str, reason: str) -> None:
        """Say nothing."""


SILENT: Progress = _Silent()
