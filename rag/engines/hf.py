"""Hub and local models through transformers: the engine for GPUs. Works on a CPU for small models.

Loads torch when an engine is built. Never runs code that comes with a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from rag.engines.stops import StopScanner
from rag.engines.template import CHATML, jinja_render, render_pieces
from rag.engines.turns import Turns
from rag.errors import EngineError
from rag.models import sha256_of
from rag.types import Decoding, Message, Token

HASHED = ("*.safetensors", "config.json", "tokenizer.json")
HOLD = "\ufffd"


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
        tokens = self._tokenizer.special_tokens_map
        self._render = jinja_render(
            self._tokenizer.chat_template or CHATML,
            bos_token=tokens.get("bos_token", ""),
            eos_token=tokens.get("eos_token", ""),
        )

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
        from transformers import DynamicCache

        shared = 0
        for old, new in zip(self._kept_ids, prompt[:-1], strict=False):
            if old != new:
                break
            shared += 1
        if self._cache is None or shared == 0:
            self._cache = DynamicCache(config=self._model.config)
            shared = 0
        elif surplus := len(self._kept_ids) - shared:
            self._cache.crop(-surplus)
        self._kept_ids = prompt[:shared]
        return prompt[shared:]

    def _forward(self, ids: list[int]) -> Any:
        """Logits for the token after `ids`, float32 on the CPU, shape (vocabulary,)."""
        import torch

        inputs = torch.tensor([ids], device=self._model.device)
        try:
            out = self._model(
                input_ids=inputs, past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
        except torch.OutOfMemoryError as error:
            self._cache, self._kept_ids = None, []
            raise EngineError(self.name, "out of GPU memory; use a smaller window") from error
        self._kept_ids += ids
        return out.logits[0, -1].float().cpu()

    def _end_ids(self) -> frozenset[int]:
        ends = self._model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        return frozenset(int(i) for i in [*listed, self._tokenizer.eos_token_id] if i is not None)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        for piece in render_pieces(messages, self._render):
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
