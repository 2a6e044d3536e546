"""The transformers engine: messages in, text out, over a batch that all streams share."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from threading import Event, Lock
from typing import Any

from rag.engines.anchor import opening
from rag.engines.hf.load import Loaded, end_ids, load, rows
from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, Piece, jinja_render, render_pieces
from rag.engines.windows import Window, checked_stride, pieces, sound, windows
from rag.errors import EngineError
from rag.types import Decoding, Message, TextScore, Token

HOLD = "\ufffd"
# Positions whose logits are held at once when a text is scored: 156 MB at 152,000 tokens.
PIECE = 256
# Tokens of prompts that one step reads.
GPU_PORTION, CPU_PORTION = 2048, 512


class TransformersEngine:
    """A causal LM by hub name or folder: bfloat16 on a GPU, float32 on a CPU.

    Many threads may stream at once: `slots` of them decode side by side (0: what memory bears), the
    others wait. Each keeps what some row of the cache knows of its prompt. `lookup` bounds how many
    tokens prompt lookup guesses where one stream decodes alone; `quantize` is "4bit" or "8bit";
    `compiled` names a torch.compile backend for one stream at a time. `template` takes the place of
    the model's own chat template. Raises EngineError.
    """

    def __init__(
        self,
        name: str,
        window: int = 4096,
        slots: int = 0,
        lookup: int = 0,
        quantize: str = "",
        compiled: str = "",
        template: str = "",
    ) -> None:
        loaded = load(name, quantize)
        self.name, self.sha256 = name, loaded.sha256
        self._tokenizer, self._model = loaded.tokenizer, loaded.model
        # The tokenizer keeps in itself, between calls, whether special tokens may be split.
        self._tokenizing = Lock()
        longest = getattr(self._model.config, "max_position_embeddings", window)
        self.window = min(window, int(longest))
        self._ends = end_ids(loaded)
        self._batch = self._open_batch(loaded, slots, lookup, compiled)
        tokens = self._tokenizer.special_tokens_map
        self._render = jinja_render(
            template or self._tokenizer.chat_template or CHATML,
            bos_token=tokens.get("bos_token", ""),
            eos_token=tokens.get("eos_token", ""),
        )

    @property
    def on_gpu(self) -> bool:
        return bool(self._model.device.type == "cuda")

    @property
    def slots(self) -> int:
        """How many streams decode side by side at most."""
        return int(self._batch.rows)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exactly the tokens that `stream` would feed for `messages`."""
        return len(self._encode(messages))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """Tokens as they are decoded; ends at end-of-text, a stop string, a limit or `cancel`.

        With beams, the reply comes when all of it is known.
        """
        prompt = self._encode(messages)
        limit = min(self._room(prompt), decoding.max_tokens)
        if decoding.beams > 1:
            yield from self._beams(prompt, decoding, limit, cancel)
            return
        chosen = self._batch.tokens(prompt, decoding, limit, cancel)
        try:
            yield from _texts(self._tokenizer, chosen, decoding.stop)
        finally:
            chosen.close()

    def stream_all(
        self, asked: Sequence[Sequence[Message]], decoding: Decoding, cancel: Event
    ) -> Iterator[tuple[int, int, float]]:
        """Many replies from one thread: (index of the prompt, token, log-probability) as they come.

        Each ends at end-of-text, its limit or `cancel`; stop strings are not looked for.
        """
        from rag.engines.hf.stream import Stream

        prompts = [self._encode(messages) for messages in asked]
        limits = [min(self._room(prompt), decoding.max_tokens) for prompt in prompts]
        streams = [
            Stream(prompt, decoding, limit, cancel)
            for prompt, limit in zip(prompts, limits, strict=True)
        ]
        for index, (token, logprob) in self._batch.together(streams):
            yield index, token, logprob

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """Log-probability that the reply begins with each choice's first token."""
        import torch

        prompt = self._encode(messages)
        self._room(prompt)
        logprobs = torch.log_softmax(self._batch.logits(prompt), dim=-1)
        firsts = [self._ids([Piece(choice, True)])[0] for choice in choices]
        return [float(logprobs[first]) for first in firsts]

    def token_logprobs(self, text: str, stride: int = 0, cancel: Event | None = None) -> TextScore:
        """The log-probability of every token of a raw text (see `ScoresText`), to float32.

        Raises EngineError if `stride` is over half the window, memory runs out, or on `cancel`.
        """
        step, text = checked_stride(self.name, self.window, stride), sound(text)
        ids, unscored = self._text_ids(text)
        found: list[float] = []
        for window in windows(len(ids), self.window, step):
            found += self._window_logprobs(ids, window, cancel or Event())
        if cancel is not None and cancel.is_set():
            raise EngineError(self.name, "stopped")
        return TextScore(tuple(found), len(found), len(text.encode()) - unscored)

    def rewind(self, messages: Sequence[Message]) -> None:
        """Leave in the cache what every conversation that begins with `messages` shares.

        What is asked alone then gives the same bits again; in company, the last bits may differ.
        """
        ids = self._ids(opening(messages, self._render))
        if ids:
            self._room(ids)
        with self._batch.alone():
            if not self._batch.settle(ids):
                self._batch.anchor(ids)

    def _open_batch(self, loaded: Loaded, slots: int, lookup: int, compiled: str) -> Any:
        from rag.engines.hf.batch import Batch
        from rag.engines.hf.shelf import open_shelf

        model = loaded.model
        shelf = open_shelf(model, rows(model, slots, self.window), self.window, compiled)
        portion = GPU_PORTION if self.on_gpu else CPU_PORTION
        return Batch(self.name, shelf, self._ends, lookup, portion)

    def _beams(
        self, prompt: list[int], decoding: Decoding, limit: int, cancel: Event
    ) -> Iterator[Token]:
        from rag.engines.hf.beams import search

        if cancel.is_set():
            return
        with self._batch.alone(cancel):
            chosen = search(self._model, prompt, decoding, limit, cancel)
        kept = [(token, logprob) for token, logprob in chosen if token not in self._ends]
        for token in _texts(self._tokenizer, kept, decoding.stop):
            if cancel.is_set():
                return
            yield token

    def _window_logprobs(self, ids: Sequence[int], window: Window, cancel: Event) -> list[float]:
        import torch
        from transformers import DynamicCache

        cache, found = DynamicCache(config=self._model.config), []
        for piece in pieces(window, PIECE):
            with self._batch.alone(cancel):
                logits = self._logits(ids[piece.begin : piece.end], cache, max(1, piece.wanted))
                if piece.wanted:
                    targets = torch.tensor(ids[piece.targets], device=logits.device).unsqueeze(-1)
                    logprobs = torch.log_softmax(logits.float(), dim=-1).gather(-1, targets)
                    found += logprobs.squeeze(-1).tolist()
        return found

    def _logits(self, ids: Sequence[int], cache: Any, keep: int) -> Any:
        """Logits after each of the last `keep` of `ids`, shape (keep, vocabulary)."""
        import torch

        inputs = torch.tensor([list(ids)], device=self._model.device)
        try:
            out = self._model(
                input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=keep
            )
        except torch.OutOfMemoryError as error:
            raise EngineError(self.name, "out of GPU memory; use a smaller window") from error
        return out.logits[0]

    def _text_ids(self, text: str) -> tuple[list[int], int]:
        """Tokens of a raw text, and how many of its bytes lie in the first, unscored one."""
        with self._tokenizing:
            first = self._tokenizer("")["input_ids"][:1]
            encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        if first != [self._tokenizer.bos_token_id]:
            first = []
        ids = list(encoded["input_ids"])
        if first or not ids:
            return first + ids, 0
        if self._tokenizer.is_fast:
            return ids, len(text[: encoded[0].offsets[0][1]].encode())
        return ids, len(self._tokenizer.decode(ids[:1]).encode())

    def _room(self, prompt: Sequence[int]) -> int:
        """Tokens that fit after a prompt. Raises EngineError if none do."""
        if len(prompt) >= self.window:
            raise EngineError(self.name, f"the prompt has {len(prompt)} tokens of {self.window}")
        return self.window - len(prompt)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        return self._ids(render_pieces(messages, self._render))

    def _ids(self, rendered: Sequence[Piece]) -> list[int]:
        ids: list[int] = []
        with self._tokenizing:
            for piece in rendered:
                encoded = self._tokenizer(
                    piece.text, add_special_tokens=False, split_special_tokens=not piece.trusted
                )
                ids += encoded["input_ids"]
        return ids


def _texts(
    tokenizer: Any, chosen: Iterable[tuple[int, float]], stops: Sequence[str]
) -> Iterator[Token]:
    """Tokens with their text, up to a stop string."""
    scanner = StopScanner(stops)
    ids: list[int] = []
    said = ""
    for token_id, logprob in chosen:
        ids.append(token_id)
        # Decoding the whole keeps spaces right; a last U+FFFD may be half a character.
        whole = tokenizer.decode(ids, skip_special_tokens=True)
        fresh = "" if whole.endswith(HOLD) else whole[len(said) :]
        said += fresh
        yield Token(scanner.feed(fresh), token_id, logprob)
        if scanner.stopped:
            return
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    if rest := scanner.feed(whole[len(said) :]) + scanner.finish():
        yield Token(rest, -1, 0.0)
