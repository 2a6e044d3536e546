"""GGUF models through llama.cpp: the engine for CPUs. Loads llama_cpp when an engine is built.

One stream at a time behind a fair queue; the prompt's unchanged prefix stays in the cache.
"""

from __future__ import annotations

import codecs
import ctypes
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from rag.engines.anchor import Anchor, opening, shared
from rag.engines.logits import fill, log_softmax, logprob
from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, Piece, jinja_render, render_pieces
from rag.engines.turns import Turns
from rag.engines.windows import Window, checked_stride, pieces, sound, windows
from rag.errors import EngineError
from rag.types import Decoding, Message, TextScore, Token

WINDOW = 4096
# Positions whose logits are held at once when a text is scored: 78 MB at 152,000 tokens.
PIECE = 128


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
        self._anchor = Anchor()
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
        with self._alone():
            with closing(self._sample(self._encode(messages), Decoding())) as ids:
                self._next(ids)
            logprobs = self._logprobs()
        firsts = [self._llama.tokenize(c.encode(), add_bos=False)[0] for c in choices]
        return [float(logprobs[first]) for first in firsts]

    def token_logprobs(self, text: str, stride: int = 0, cancel: Event | None = None) -> TextScore:
        """The log-probability of every token of a raw text (see `ScoresText`).

        The text is read in portions: with a quantised model, one token read alone can differ from
        the same token read among others by some hundredths. The prompt cache is empty afterwards.
        Raises EngineError if `stride` is over half the window, decoding fails, or on `cancel`.
        """
        step, data = checked_stride(self.name, self.window, stride), sound(text).encode()
        ids, unscored = self._text_ids(data)
        found: list[float] = []
        with self._alone(cancel):
            try:
                for window in windows(len(ids), self.window, step):
                    self._forget()
                    found += self._window_logprobs(ids, window)
            finally:
                self._forget()
        return TextScore(tuple(found), len(found), len(data) - unscored)

    def rewind(self, messages: Sequence[Message]) -> None:
        """Leave in the cache what every conversation that begins with `messages` shares."""
        ids = self._ids(opening(messages, self._render))
        if len(ids) >= self.window:
            raise EngineError(self.name, f"the prompt has {len(ids)} tokens of {self.window}")
        with self._alone():
            if not (self._anchor.stands(ids) and self._cut(len(ids))):
                self._forget()
                self._read(ids)
                self._anchor.put(ids)

    @contextmanager
    def _alone(self, cancel: Event | None = None) -> Iterator[None]:
        """A turn, or EngineError if `cancel` was set before it came."""
        cancel = cancel or Event()
        with self._turns.take(cancel) as mine:
            if not mine:
                raise EngineError(self.name, "stopped")
            # Only now: until its turn ends, the abort callback watches the other stream's event.
            self._cancel = cancel
            yield

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
        cached = self._llama.input_ids[: self._llama.n_tokens].tolist()
        self._anchor.reused(shared(cached, prompt))
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
            self._forget()
            if self._cancel.is_set():
                return None
            raise EngineError(self.name, str(error)) from error
        return None if self._is_end(token_id) else int(token_id)

    def _forget(self) -> None:
        """Empty the prompt cache."""
        import llama_cpp

        self._llama.reset()
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._llama.ctx), False)
        self._anchor.reused(0)

    def _cut(self, tokens: int) -> bool:
        """Keep the cache's first tokens. False if the model's memory can't be cut."""
        import llama_cpp

        memory = llama_cpp.llama_get_memory(self._llama.ctx)
        if not llama_cpp.llama_memory_seq_rm(memory, 0, tokens, -1):
            return False
        # `generate` takes these as what is cached, and must not sample from the last logits.
        self._llama.n_tokens, self._llama._requires_eval = tokens, True
        return True

    def _read(self, ids: Sequence[int]) -> None:
        """Read tokens into the empty prompt cache."""
        try:
            self._llama.eval(ids)
        except RuntimeError as error:
            self._forget()
            raise EngineError(self.name, str(error)) from error
        self._llama._requires_eval = True

    def _window_logprobs(self, ids: Sequence[int], window: Window) -> list[float]:
        """Of the window's scored tokens, read from an empty cache; leaves it full of them."""
        import llama_cpp

        batch = llama_cpp.llama_batch_init(PIECE, 0, 1)
        found: list[float] = []
        try:
            for piece in pieces(window, PIECE):
                read = ids[piece.begin : piece.end]
                fill(batch, read, piece.begin - window.start, piece.wanted)
                if code := llama_cpp.llama_decode(self._llama.ctx, batch):
                    stopped = self._cancel.is_set()
                    problem = "stopped" if stopped else f"llama_decode returned {code}"
                    raise EngineError(self.name, problem)
                found += self._picked(ids[piece.targets])
        finally:
            llama_cpp.llama_batch_free(batch)
        return found

    def _picked(self, targets: Sequence[int]) -> list[float]:
        """Log-probabilities of the tokens that the last read's wanted positions predict."""
        import llama_cpp

        found = []
        for back, target in enumerate(targets, start=-len(targets)):
            row = self._row(llama_cpp.llama_get_logits_ith(self._llama.ctx, back))
            found.append(logprob(row, target))
        return found

    def _row(self, pointer: Any) -> Any:
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary,))

    def _is_end(self, token_id: int) -> bool:
        import llama_cpp

        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        return bool(llama_cpp.llama_vocab_is_eog(vocabulary, token_id))

    def _logprobs(self) -> Any:
        """Natural logs of the model's own probabilities (temperature 1), shape (vocabulary,)."""
        import llama_cpp

        return log_softmax(self._row(llama_cpp.llama_get_logits_ith(self._llama.ctx, -1)))

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        return self._ids(render_pieces(messages, self._render))

    def _text_ids(self, data: bytes) -> tuple[list[int], int]:
        """Tokens of a raw text, and how many of its bytes lie in the first, unscored one."""
        import llama_cpp

        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        begins = bool(llama_cpp.llama_vocab_get_add_bos(vocabulary))
        ids = list(self._llama.tokenize(data, add_bos=begins, special=False))
        return ids, 0 if begins or not ids else len(self._piece(ids[0]))

    def _ids(self, rendered: Sequence[Piece]) -> list[int]:
        ids: list[int] = []
        for piece in rendered:
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
