"""GGUF models through llama.cpp: the engine for CPUs. Loads llama_cpp when an engine is built.

One stream at a time behind a fair queue. A prompt's unchanged prefix stays in one of `slots` prompt
caches over the same weights, and how it came there is known, so that an answer can be given again.
"""

from __future__ import annotations

import codecs
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from rag.engines.anchor import opening, shared
from rag.engines.beams import one_beam
from rag.engines.lineage import Start, best_slot, token_hash
from rag.engines.logits import logprob
from rag.engines.scoring import window_logprobs
from rag.engines.slot import PORTION, Slot, Unread
from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, Piece, jinja_render, render_pieces
from rag.engines.turns import Turns
from rag.engines.windows import checked_stride, sound, windows
from rag.errors import EngineError
from rag.types import Decoding, Message, TextScore, Token

WINDOW = 4096
# llama.cpp's threads wait for each other many hundred times a token. GCC's OpenMP lets those that
# wait turn in a loop for milliseconds before they sleep; beside busy processes the one they wait
# for gets no CPU meanwhile, and a token may take seconds. https://gcc.gnu.org/onlinedocs/libgomp/
TURNS_BEFORE_SLEEP = "3000"


class LlamaCppEngine:
    """A GGUF file served by llama.cpp. Raises EngineError if it can't be loaded.

    `sha256` names the file's bytes in answers and traces; `window` is in tokens. `slots` prompt
    caches keep the beginnings of as many conversations, each at the cost of its window's memory.
    `template` takes the place of the model's own chat template.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        sha256: str,
        window: int = WINDOW,
        threads: int | None = None,
        slots: int = 1,
        template: str = "",
    ) -> None:
        self.name = name
        self.sha256 = sha256
        self._cancel = Event()
        self._turns = Turns()
        self._llama = _load(path, window, threads or usable_cpus())
        self._slots = self._open_slots(slots)
        self._clock = 0
        self._latest = threading.local()
        self.window = int(self._llama.n_ctx())
        self._render = jinja_render(
            template or self._llama.metadata.get("tokenizer.chat_template") or CHATML,
            bos_token=self._special(self._llama.token_bos()),
            eos_token=self._special(self._llama.token_eos()),
        )
        self._library = _library()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exactly the tokens that `stream` would feed for `messages`."""
        return len(self._encode(messages))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """Tokens as they are decoded; ends at end-of-text, a stop string, a limit or `cancel`.

        Setting `cancel` stops computing within one token, also while the prompt is being read.
        """
        one_beam(self.name, decoding)
        prompt = self._encode(messages)
        room = self.window - len(prompt)
        if room < 1:
            raise EngineError(self.name, f"the prompt has {len(prompt)} tokens of {self.window}")
        with self._turns.take(cancel) as mine:
            if mine:
                self._cancel = cancel
                yield from self._decode(prompt, decoding, min(room, decoding.max_tokens))

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """Log-probability that the reply begins with each choice's first token."""
        return self.score_until(messages, choices, Event())

    def score_until(
        self, messages: Sequence[Message], choices: Sequence[str], cancel: Event
    ) -> list[float]:
        """`score` that ends with EngineError as soon as `cancel` is set (see `Stops`)."""
        with self._alone(cancel):
            row = self._resume(self._encode(messages)).row()
            firsts = [self._llama.tokenize(c.encode(), add_bos=False)[0] for c in choices]
            return [logprob(row, first) for first in firsts]

    def token_logprobs(self, text: str, stride: int = 0, cancel: Event | None = None) -> TextScore:
        """The log-probability of every token of a raw text (see `ScoresText`).

        The text is read in portions: with a quantised model, one token read alone can differ from
        the same token read among others by some hundredths. It costs one of the prompt caches.
        Raises EngineError if `stride` is over half the window, decoding fails, or on `cancel`.
        """
        step, data = checked_stride(self.name, self.window, stride), sound(text).encode()
        ids, unscored = self._text_ids(data)
        found: list[float] = []
        with self._alone(cancel):
            slot = min(self._slots, key=lambda slot: slot.used)
            try:
                for window in windows(len(ids), self.window, step):
                    slot.forget()
                    found += window_logprobs(slot, ids, window)
            finally:
                slot.forget()
        return TextScore(tuple(found), len(found), len(data) - unscored)

    def rewind(self, messages: Sequence[Message]) -> None:
        """Leave in the caches what every conversation that begins with `messages` shares."""
        ids = self._ids(opening(messages, self._render))
        if len(ids) >= self.window:
            raise EngineError(self.name, f"the prompt has {len(ids)} tokens of {self.window}")
        with self._alone():
            slot = self._only_slot()
            if not (slot.holds_alone(ids) and slot.keep(len(ids))):
                slot.forget()
                slot.read(ids)

    def began(self) -> Start | None:
        """How this thread's last `stream` or `score` began. See `Replays`."""
        start: Start | None = getattr(self._latest, "start", None)
        return start

    def restore(self, messages: Sequence[Message], start: Start) -> None:
        """Read the beginning of `messages` as it was read when `start` was taken."""
        ids = self._encode(messages)
        # Behind what was kept stood up to a portion more, which the window held as well.
        if not start.cached < len(ids) < self.window:
            problem = f"a prompt of {len(ids)} tokens can't begin with {start.cached} cached ones"
            raise EngineError(self.name, problem)
        with self._alone():
            self._only_slot().restore(ids[: start.cached], start.runs)

    def _open_slots(self, count: int) -> list[Slot]:
        """The caches; the first is the one that the library made with the model."""
        try:
            return [Slot(self._llama, self._stopped, number == 0) for number in range(count)]
        except MemoryError as error:
            raise EngineError(self.name, str(error)) from error

    def _stopped(self) -> bool:
        return self._cancel.is_set()

    def _only_slot(self) -> Slot:
        """The first cache, which the next prompt will take; the others are emptied."""
        for slot in self._slots:
            slot.used = self._clock
        for slot in self._slots[1:]:
            slot.forget()
        return self._slots[0]

    @contextmanager
    def _alone(self, cancel: Event | None = None) -> Iterator[None]:
        """A turn, or EngineError if `cancel` was set before it came or ended a read."""
        cancel = cancel or Event()
        with self._turns.take(cancel) as mine:
            if not mine:
                raise EngineError(self.name, "stopped")
            # Only now: until its turn ends, the abort callback watches the other stream's event.
            self._cancel = cancel
            try:
                yield
            except Unread as error:
                raise EngineError(
                    self.name, "stopped" if cancel.is_set() else str(error)
                ) from error

    def _resume(self, prompt: list[int]) -> Slot:
        """The cache that holds most of the prompt, with the rest of it read. Raises Unread."""
        shares = [shared(slot.ids, prompt) for slot in self._slots]
        place = best_slot(shares, [slot.used for slot in self._slots], len(prompt))
        slot = self._slots[place]
        self._clock += 1
        slot.used = self._clock
        kept = slot.keep(shares[place])
        self._latest.start = Start(tuple(slot.runs), len(prompt), token_hash(prompt), self._library)
        slot.read(prompt[kept:])
        return slot

    def _decode(self, prompt: list[int], decoding: Decoding, limit: int) -> Iterator[Token]:
        utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        scanner = StopScanner(decoding.stop)
        for token_id, value in self._generate(prompt, decoding, limit):
            text = scanner.feed(utf8.decode(self._piece(token_id)))
            yield Token(text, token_id, value)
            if scanner.stopped:
                return
        if rest := scanner.feed(utf8.decode(b"", final=True)) + scanner.finish():
            yield Token(rest, -1, 0.0)

    def _generate(
        self, prompt: list[int], decoding: Decoding, limit: int
    ) -> Iterator[tuple[int, float]]:
        """Tokens with the natural logs of their probabilities at temperature 1."""
        try:
            slot = self._resume(prompt)
            with slot.chooser(decoding) as choose:
                fresh: list[int] = []
                for _ in range(limit):
                    if fresh:
                        slot.read_at_once(fresh)
                    token_id = choose()
                    if self._is_end(token_id) or self._stopped():
                        return
                    yield token_id, logprob(slot.row(), token_id)
                    fresh = [token_id]
        except Unread as error:
            if not self._stopped():
                raise EngineError(self.name, str(error)) from error

    def _is_end(self, token_id: int) -> bool:
        import llama_cpp

        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        return bool(llama_cpp.llama_vocab_is_eog(vocabulary, token_id))

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


def _library() -> str:
    """What computes: the library's version, and what of the CPU it makes use of."""
    import llama_cpp

    features = llama_cpp.llama_print_system_info().decode("utf-8", "replace").strip()
    return f"llama-cpp-python {llama_cpp.__version__}; {features}"


def usable_cpus() -> int:
    """CPUs this process may use (cgroup and affinity aware where the platform tells)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def share_cpus() -> None:
    """Let threads that wait make room, unless the environment says how. OpenMP reads it once."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", TURNS_BEFORE_SLEEP)


def _load(path: Path, window: int, threads: int) -> Any:
    share_cpus()
    try:
        from llama_cpp import Llama
    except ImportError as error:
        problem = "llama-cpp-python is not installed; pip install 'surefoot[cpu]'"
        raise EngineError("llama.cpp", problem) from error
    try:
        return Llama(
            model_path=str(path),
            n_ctx=window,
            n_batch=PORTION,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
    except (ValueError, RuntimeError, OSError) as error:
        raise EngineError("llama.cpp", f"cannot load {path}: {error}") from error
