"""Hub and local models through transformers: the engine for GPUs. Works on a CPU for small models.

Loads torch when an engine is built. Never runs code that comes with a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from rag.engines.anchor import Anchor, opening, shared
from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, Piece, jinja_render, render_pieces
from rag.engines.turns import Turns
from rag.engines.windows import Window, checked_stride, pieces, sound, windows
from rag.errors import EngineError
from rag.models import sha256_of
from rag.types import Decoding, Message, TextScore, Token

HASHED = ("*.safetensors", "config.json", "tokenizer.json")
HOLD = "\ufffd"
# Positions whose logits are held at once when a text is scored: 156 MB at 152,000 tokens.
PIECE = 256


class TransformersEngine:
    """A causal LM by hub name or folder: bfloat16 on a GPU, float32 on a CPU.

    One stream at a time; the keys and values of the prompt's unchanged prefix are kept.
    Raises EngineError if the model can't be loaded.
    """

    def __init__(self, name: str, window: int = 4096) -> None:
        self.name = name
        self._tokenizer, self._model, folder = _load(name)
        self.sha256 = _fingerprint(folder)
        longest = getattr(self._model.config, "max_position_embeddings", window)
        self.window = min(window, int(longest))
        self._turns = Turns()
        self._kept_ids: list[int] = []
        self._cache: Any = None
        self._anchor = Anchor()
        tokens = self._tokenizer.special_tokens_map
        self._render = jinja_render(
            self._tokenizer.chat_template or CHATML,
            bos_token=tokens.get("bos_token", ""),
            eos_token=tokens.get("eos_token", ""),
        )

    @property
    def on_gpu(self) -> bool:
        return bool(self._model.device.type == "cuda")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exactly the tokens that `stream` would feed for `messages`."""
        return len(self._encode(messages))

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancel: Event
    ) -> Generator[Token, None, None]:
        """Tokens as they are decoded; ends at end-of-text, a stop string, a limit or `cancel`."""
        prompt = self._encode(messages)
        room = self.window - len(prompt)
        if room < 1:
            raise EngineError(self.name, f"the prompt has {len(prompt)} tokens of {self.window}")
        with self._turns.take(cancel) as mine:
            if mine:
                yield from self._texts(prompt, decoding, min(room, decoding.max_tokens), cancel)

    def score(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float]:
        """Log-probability that the reply begins with each choice's first token."""
        import torch

        with self._turns.take(Event()), torch.inference_mode():
            logits = self._forward(self._resume(self._encode(messages)))
            logprobs = torch.log_softmax(logits, dim=-1)
        firsts = [self._tokenizer(c, add_special_tokens=False)["input_ids"][0] for c in choices]
        return [float(logprobs[first]) for first in firsts]

    def token_logprobs(self, text: str, stride: int = 0, cancel: Event | None = None) -> TextScore:
        """The log-probability of every token of a raw text (see `ScoresText`), to float32.

        Raises EngineError if `stride` is over half the window, memory runs out, or on `cancel`.
        """
        import torch

        step, text = checked_stride(self.name, self.window, stride), sound(text)
        ids, unscored = self._text_ids(text)
        found: list[float] = []
        cancel = cancel or Event()
        with self._turns.take(cancel), torch.inference_mode():
            for window in windows(len(ids), self.window, step):
                found += self._window_logprobs(ids, window, cancel)
        size = len(text.encode()) - unscored
        return TextScore(tuple(found), len(found), size)

    def rewind(self, messages: Sequence[Message]) -> None:
        """Leave in the cache what every conversation that begins with `messages` shares."""
        import torch

        ids = self._ids(opening(messages, self._render))
        if len(ids) >= self.window:
            raise EngineError(self.name, f"the prompt has {len(ids)} tokens of {self.window}")
        with self._turns.take(Event()), torch.inference_mode():
            self._keep(len(ids) if self._anchor.stands(ids) else 0)
            if ids and not self._kept_ids:
                self._forward(ids)
                self._anchor.put(ids)

    def _texts(
        self, prompt: list[int], decoding: Decoding, limit: int, cancel: Event
    ) -> Generator[Token, None, None]:
        scanner = StopScanner(decoding.stop)
        ids: list[int] = []
        said = ""
        for token_id, logprob in self._decode(prompt, decoding, limit, cancel):
            ids.append(token_id)
            # Decoding the whole keeps spaces right; a last U+FFFD may be half a character.
            whole = self._tokenizer.decode(ids, skip_special_tokens=True)
            fresh = "" if whole.endswith(HOLD) else whole[len(said) :]
            said += fresh
            yield Token(scanner.feed(fresh), token_id, logprob)
            if scanner.stopped:
                return
        whole = self._tokenizer.decode(ids, skip_special_tokens=True)
        if rest := scanner.feed(whole[len(said) :]) + scanner.finish():
            yield Token(rest, -1, 0.0)

    def _decode(
        self, prompt: list[int], decoding: Decoding, limit: int, cancel: Event
    ) -> Generator[tuple[int, float], None, None]:
        import torch

        chooser = torch.Generator(device="cpu").manual_seed(decoding.seed)
        ends = self._end_ids()
        seen = list(prompt)
        with torch.inference_mode():
            logits = self._forward(self._resume(prompt))
            for _ in range(limit):
                if cancel.is_set():
                    return
                token_id = _choose(logits, decoding, seen, chooser)
                if token_id in ends:
                    return
                logprob = float(torch.log_softmax(logits, dim=-1)[token_id])
                yield token_id, logprob
                seen.append(token_id)
                logits = self._forward([token_id])

    def _resume(self, prompt: list[int]) -> list[int]:
        """Keep what the cache shares with `prompt`; returns the tokens still to be read."""
        kept = shared(self._kept_ids, prompt)
        self._keep(kept)
        return prompt[len(self._kept_ids) :]

    def _keep(self, tokens: int) -> None:
        """Cut the cache to its first `tokens` tokens; a cache that can't be cut is begun anew."""
        surplus = len(self._kept_ids) - tokens
        try:
            if self._cache is not None and tokens and surplus:
                self._cache.crop(-surplus)
        except RuntimeError:
            # Layers that attend to a sliding window have let go of what came before it.
            tokens = 0
        if self._cache is None or tokens == 0:
            self._cache, tokens = self._new_cache(), 0
        self._kept_ids = self._kept_ids[:tokens]
        self._anchor.reused(tokens)

    def _new_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self._model.config)

    def _forward(self, ids: list[int]) -> Any:
        """Logits for the token after `ids`, float32 on the CPU, shape (vocabulary,)."""
        logits = self._logits(ids, self._cache, 1)
        self._kept_ids += ids
        return logits[-1].float().cpu()

    def _logits(self, ids: Sequence[int], cache: Any, keep: int) -> Any:
        """Logits after each of the last `keep` of `ids`, shape (keep, vocabulary)."""
        import torch

        inputs = torch.tensor([list(ids)], device=self._model.device)
        try:
            out = self._model(
                input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=keep
            )
        except torch.OutOfMemoryError as error:
            self._cache, self._kept_ids = None, []
            self._anchor.reused(0)
            raise EngineError(self.name, "out of GPU memory; use a smaller window") from error
        return out.logits[0]

    def _window_logprobs(self, ids: Sequence[int], window: Window, cancel: Event) -> list[float]:
        import torch

        cache, found = self._new_cache(), []
        for piece in pieces(window, PIECE):
            if cancel.is_set():
                raise EngineError(self.name, "stopped")
            logits = self._logits(ids[piece.begin : piece.end], cache, max(1, piece.wanted))
            if piece.wanted:
                targets = torch.tensor(ids[piece.targets], device=logits.device).unsqueeze(-1)
                logprobs = torch.log_softmax(logits.float(), dim=-1).gather(-1, targets)
                found += logprobs.squeeze(-1).tolist()
        return found

    def _text_ids(self, text: str) -> tuple[list[int], int]:
        """Tokens of a raw text, and how many of its bytes lie in the first, unscored one."""
        first = self._tokenizer("")["input_ids"][:1]
        if first != [self._tokenizer.bos_token_id]:
            first = []
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        ids = list(encoded["input_ids"])
        if first or not ids:
            return first + ids, 0
        if self._tokenizer.is_fast:
            return ids, len(text[: encoded[0].offsets[0][1]].encode())
        return ids, len(self._tokenizer.decode(ids[:1]).encode())

    def _end_ids(self) -> frozenset[int]:
        ends = self._model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        return frozenset(int(i) for i in [*listed, self._tokenizer.eos_token_id] if i is not None)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        return self._ids(render_pieces(messages, self._render))

    def _ids(self, rendered: Sequence[Piece]) -> list[int]:
        ids: list[int] = []
        for piece in rendered:
            encoded = self._tokenizer(
                piece.text, add_special_tokens=False, split_special_tokens=not piece.trusted
            )
            ids += encoded["input_ids"]
        return ids


def _choose(logits: Any, decoding: Decoding, seen: Sequence[int], chooser: Any) -> int:
    """The next token: greedy at temperature 0, else sampled within top-k and top-p.

    Repetition penalty as in Keskar et al., CTRL, 2019. Nucleus as in Holtzman et al., 2020.
    """
    import torch

    if decoding.repetition_penalty != 1.0:
        index = torch.tensor(sorted(set(seen)))
        picked = logits[index]
        penalty = decoding.repetition_penalty
        logits = logits.clone()
        logits[index] = torch.where(picked > 0, picked / penalty, picked * penalty)
    if decoding.temperature == 0:
        return int(logits.argmax())
    size = min(decoding.top_k, logits.numel()) if decoding.top_k > 0 else logits.numel()
    values, ids = torch.topk(logits / decoding.temperature, size)
    probabilities = torch.softmax(values, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities[before >= decoding.top_p] = 0.0
    return int(ids[torch.multinomial(probabilities, 1, generator=chooser)])


def _load(name: str) -> tuple[Any, Any, Path]:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise EngineError("transformers", f"{error.name} is not installed") from error
    gpu = torch.cuda.is_available()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, dtype=torch.bfloat16 if gpu else torch.float32
        )
        folder = _folder(name)
    except (OSError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:200]
        raise EngineError("transformers", f"cannot load {name}: {line}") from error
    return tokenizer, _ready(model, gpu), folder


def _ready(model: Any, gpu: bool) -> Any:
    return (model.cuda() if gpu else model).eval()


def _folder(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, local_files_only=True, allow_patterns=list(HASHED)))


def _fingerprint(folder: Path) -> str:
    """One hash for all weights, the config and the tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(file for pattern in HASHED for file in folder.glob(pattern)):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
