"""llama-cpp-python's own chat completion, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llama_cpp import Llama

from rag.types import Message


class BareLlama:
    """A GGUF file with the same window, batch and threads as ours."""

    def __init__(self, path: Path, window: int, threads: int) -> None:
        self._llama: Any = Llama(
            model_path=str(path),
            n_ctx=window,
            n_batch=512,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """Pieces of the greedy reply as they are decoded."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        for event in self._llama.create_chat_completion(
            turns, stream=True, temperature=0.0, max_tokens=max_tokens
        ):
            if piece := event["choices"][0]["delta"].get("content"):
                yield piece
