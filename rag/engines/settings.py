"""The config of the stage `[engine]`: which model answers, and how it chooses its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rag.checked import require

Count = Literal["exact", "estimate"]
# What a served model's name begins with.
SERVED = "openai:"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """`model`: a catalogue name, a .gguf file, a model folder, a hub name, or openai:NAME.

    `window` and `max_tokens` are tokens. `threads` 0 means every CPU this process may use. `slots`
    streams decode side by side (0: what the engine holds best on this machine).

    Of transformers alone: `beams` over 1 search for the likeliest reply, shown when it is whole;
    `lookup` tokens at most are guessed at once from the prompt (0: none), which changes no word;
    `quantize` is "4bit" or "8bit"; `compile` "inductor" makes the step of one stream at a time
    faster on some GPUs, after a minute or more of compiling.

    Of openai:NAME alone: the server's `base_url` (its key is SUREFOOT_OPENAI_API_KEY, which no
    config holds), `timeout_s` without a word from it, and `tokenizer`, a folder with the model's
    tokenizer.json, where the server counts none. `count` "estimate" does without, with a margin.
    """

    model: str = "qwen2.5-coder-1.5b"
    window: int = 4096
    threads: int = 0
    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    slots: int = 0
    beams: int = 1
    lookup: int = 8
    quantize: str = ""
    compile: str = ""
    base_url: str = ""
    timeout_s: float = 60.0
    tokenizer: str = ""
    count: Count = "exact"

    def __post_init__(self) -> None:
        require(bool(self.model), "engine.model", "must be named")
        require(self.window >= 256, "engine.window", "must be at least 256")
        require(self.threads >= 0, "engine.threads", "must not be negative")
        require(1 <= self.max_tokens < self.window, "engine.max_tokens", "must fit the window")
        require(self.temperature >= 0, "engine.temperature", "must not be negative")
        require(0 < self.top_p <= 1, "engine.top_p", "must be over 0, up to 1")
        require(0 <= self.slots <= 1024, "engine.slots", "must be 0 to 1024")
        require(1 <= self.beams <= 16, "engine.beams", "must be 1 to 16")
        require(0 <= self.lookup <= 64, "engine.lookup", "must be 0 to 64")
        require(
            self.quantize in ("", "4bit", "8bit"), "engine.quantize", 'must be "", 4bit or 8bit'
        )
        url = self.base_url
        is_url = not url or url.startswith(("http://", "https://"))
        require(is_url, "engine.base_url", "must be an http:// or https:// URL")
        require("@" not in url, "engine.base_url", "must hold no password")
        require(self.timeout_s > 0, "engine.timeout_s", "must be more than 0 seconds")
        require(self.count in get_args(Count), "engine.count", "must be exact or estimate")
