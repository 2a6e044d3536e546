"""GGUF models through llama.cpp: the engine for CPUs. Loads llama_cpp when an engine is built.

One stream at a time behind a fair queue; the prompt's unchanged prefix stays in the cache.
"""

from __future__ import annotations

import codecs
import ctypes
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, jinja_render, render_pieces
from rag.engines.turns import Turns
from rag.errors import EngineError
from rag.types import Decoding, Message, Token

WINDOW = 4096


class LlamaCppEngine:
    """A GGUF file served by llama.cpp. Raises EngineError if it can't be loaded.

    `sha256` names the file's bytes in answers and traces; `window` is in tokens.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        sha256: str,
        window: int = WINDOW,
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.sha256 = sha256
        self._cancel = Event()
        self._turns = Turns()
        self._llama = _load(path, window, threads or usable_cpus())
        self.window = int(self._llama.n_ctx())
        self._vocabulary = int(self._llama.n_vocab())
        self._render = jinja_render(
            self._llama.metadata.get("tokenizer.chat_template") or CHATML,
            bos_token=self._special(self._llama.token_bos()),
            eos_token=self._special(self._llama.token_eos()),
        )
        self._abort = self._install_abort()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exactly the tokens that `stream` would feed for `messages`."""
        return len(self._encode(messages))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """Tokens as they are decoded; ends at end-of-text, a stop string, a limit or `cancel`.

        Setting `cancel` stops computing within one token, also while the prompt is being read.
        """
        prompt = self._encode(messages)
        room = self.window - len(prompt)
        if room < 1:
            raise EngineError(self.name, f"the prompt has {len(prompt)} tokens of {self.window}")
        with self._turns.take(cancel) as mine:
            if mine:
                yield from self._decode(prompt, decoding, min(room, decoding.max_tokens), cancel)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """Log-probability that the reply begins with each choice's first token."""
        never = Event()
        with self._turns.take(never):
            # Only now: until its turn ends, the abort callback watches the other stream's event.
            self._cancel = never
            with closing(self._sample(self._encode(messages), Decoding())) as ids:
                self._next(ids)
            logprobs = self._logprobs()
        firsts = [self._llama.tokenize(c.encode(), add_bos=False)[0] for c in choices]
        return [float(logprobs[first]) for first in firsts]

    def _decode(
        self, prompt: list[int], decoding: Decoding, limit: int, cancel: Event
    ) -> Iterator[Token]:
        self._cancel = cancel
        utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        scanner = StopScanner(decoding.stop)
        with closing(self._sample(prompt, decoding)) as ids:
            for _ in range(limit):
                token_id = self._next(ids)
                if token_id is None or cancel.is_set():
                    break
                logprob = float(self._logprobs()[token_id])
                text = scanner.feed(utf8.decode(self._piece(token_id)))
                yield Token(text, token_id, logprob)
                if scanner.stopped:
                    return
        if rest := scanner.feed(utf8.decode(b"", final=True)) + scanner.finish():
            yield Token(rest, -1, 0.0)

    def _sample(self, prompt: list[int], decoding: Decoding) -> Any:
        self._llama.set_seed(decoding.seed)
        return self._llama.generate(
            prompt,
            temp=decoding.temperature,
            top_k=decoding.top_k,
            top_p=decoding.top_p,
            min_p=0.0,
            repeat_penalty=decoding.repetition_penalty,
        )

    def _next(self, ids: Iterator[int]) -> int | None:
        """The next token, or None at the end of the text or when cancelled."""
        try:
            token_id = next(ids)
        except StopIteration:
            return None
        except RuntimeError as error:
            self._llama.reset()
            if self._cancel.is_set():
                return None
            raise EngineError(self.name, str(error)) from error
        return None if self._is_end(token_id) else int(token_id)

    def _is_end(self, token_id: int) -> bool:
        import llama_cpp

        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        return bool(llama_cpp.llama_vocab_is_eog(vocabulary, token_id))

    def _logprobs(self) -> Any:
        """Natural logs of the model's own probabilities (temperature 1), shape (vocabulary,)."""
        import llama_cpp

        pointer = llama_cpp.llama_get_logits_ith(self._llama.ctx, -1)
        logits = np.ctypeslib.as_array(pointer, shape=(self._vocabulary,))
        shifted = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        for piece in render_pieces(messages, self._render):
            data = piece.text.encode("utf-8", errors="replace")
            ids += self._llama.tokenize(data, add_bos=False, special=piece.trusted)
        return ids

    def _piece(self, token_id: int) -> bytes:
        return bytes(self._llama.detokenize([token_id], special=False))

    def _special(self, token_id: int) -> str:
        if token_id < 0:
            return ""
        return bytes(self._llama.detokenize([token_id], special=True)).decode("utf-8", "replace")

    def _install_abort(self) -> Any:
        """llama.cpp asks this between graph nodes, so reading a long prompt can be stopped."""
        import llama_cpp

        callback_type = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
        callback = callback_type(lambda _: self._cancel.is_set())
        setter = llama_cpp.llama_set_abort_callback
        setter(self._llama.ctx, callback, None)
        return callback


def usable_cpus() -> int:
    """CPUs this process may use (cgroup and affinity aware where the platform tells)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _load(path: Path, window: int, threads: int) -> Any:
    try:
        from llama_cpp import Llama
    except ImportError as error:
        problem = "llama-cpp-python is not installed; pip install 'surefoot[cpu]'"
        raise EngineError("llama.cpp", problem) from error
    try:
        return Llama(
            model_path=str(path),
            n_ctx=window,
            n_batch=512,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise EngineError("llama.cpp", f"cannot load {path}: {error}") from error
