"""Which engine, numbers and model fit a machine: facts in, advice out. Pure.

A model fits a GPU if its weights and the keys and values of `SIDE_BY_SIDE` whole windows leave a
share `MARGIN` of the memory free. The models are well-known open ones under Apache-2.0, the largest
first; others do as well, by hub name or folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.15
SIDE_BY_SIDE = 8
HALF_BYTES = 2
# What the rest of Surefoot takes beside a model on a CPU: embedder, filters, index.
REST_GB = 1.5
# What llama.cpp takes beside a GGUF file's own bytes, as a share of them.
SPARE = 0.25
BF16_CAPABILITY = 8.0


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU: memory in GB (10^9 bytes), and its CUDA compute capability."""

    name: str
    memory_gb: float
    capability: float

    @property
    def bf16(self) -> bool:
        return self.capability >= BF16_CAPABILITY


@dataclass(frozen=True, slots=True)
class Facts:
    """What a machine has; `cuda` says whether the installed torch can use a GPU."""

    cpus: int
    memory_gb: float | None
    cards: tuple[Card, ...] = ()
    cuda: bool = False


@dataclass(frozen=True, slots=True)
class HubModel:
    """An open model: billions of parameters, and the shape of its keys and values."""

    name: str
    billions: float
    layers: int
    heads: int
    size: int = 128

    @property
    def weights_gb(self) -> float:
        return self.billions * HALF_BYTES

    def cache_gb(self, tokens: int) -> float:
        """Keys and values of so many tokens."""
        return 2 * self.layers * self.heads * self.size * HALF_BYTES * tokens / 1e9


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF model of the catalogue: its file's size in GB."""

    name: str
    file_gb: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to run, in what numbers, and why, in one line."""

    engine: str
    model: str
    dtype: str
    why: str


MODELS = (
    HubModel("Qwen/Qwen2.5-32B-Instruct", 32.8, 64, 8),
    HubModel("Qwen/Qwen2.5-14B-Instruct", 14.8, 48, 8),
    HubModel("Qwen/Qwen2.5-7B-Instruct", 7.6, 28, 4),
    HubModel("Qwen/Qwen3-4B-Instruct-2507", 4.0, 36, 8),
    HubModel("Qwen/Qwen2.5-1.5B-Instruct", 1.5, 28, 2),
)


def advise(facts: Facts, window: int, local: Sequence[LocalModel]) -> Advice:
    """The engine and the model for a machine. `local` must not be empty."""
    card = max(facts.cards, key=lambda each: each.memory_gb, default=None)
    if card is None:
        return _on_cpu(facts, local, "no GPU")
    fitting = [model for model in MODELS if fits(model, card.memory_gb, window)]
    if not fitting:
        return _on_cpu(facts, local, f"{card.name} holds none of the models known here")
    if not facts.cuda:
        return _on_cpu(facts, local, f"{card.name} is here, but this torch is built without CUDA")
    model = fitting[0]
    dtype = "bfloat16" if card.bf16 else "float16"
    cache = model.cache_gb(SIDE_BY_SIDE * window)
    why = (
        f"{card.name}, {card.memory_gb:.0f} GB: {model.weights_gb:.1f} GB of weights and"
        f" {cache:.1f} GB for {SIDE_BY_SIDE} conversations of {window} tokens,"
        f" {MARGIN:.0%} kept free"
    )
    return Advice("transformers", model.name, dtype, why)


def fits(model: HubModel, memory_gb: float, window: int) -> bool:
    """True if a GPU of so much memory holds the model with its margin."""
    needed = model.weights_gb + model.cache_gb(SIDE_BY_SIDE * window)
    return needed <= memory_gb * (1.0 - MARGIN)


def _on_cpu(facts: Facts, local: Sequence[LocalModel], because: str) -> Advice:
    """The largest local model that fits the memory; on one core the smallest: it decodes slowly."""
    largest_first = sorted(local, key=lambda model: -model.file_gb)
    memory = facts.memory_gb if facts.memory_gb is not None else float("inf")
    held = [m for m in largest_first if m.file_gb * (1.0 + SPARE) + REST_GB <= memory]
    model = held[0] if held and facts.cpus > 1 else largest_first[-1]
    known = "memory unknown" if facts.memory_gb is None else f"{facts.memory_gb:.1f} GB"
    why = f"{because}; {facts.cpus} CPUs and {known} hold its {model.file_gb:.1f} GB"
    if model not in held:
        why = f"{because}; {known} is less than Surefoot needs with even the smallest model"
    return Advice("llama.cpp", model.name, "as quantised", why)
