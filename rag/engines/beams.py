"""What engines without beam search say when they are asked for it."""

from __future__ import annotations

from rag.errors import EngineError
from rag.types import Decoding


def one_beam(engine: str, decoding: Decoding) -> None:
    """Raises EngineError if `decoding` asks for more than one beam."""
    if decoding.beams > 1:
        raise EngineError(engine, "has no beam search; take beams = 1, or a transformers model")
