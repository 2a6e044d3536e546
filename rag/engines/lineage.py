"""How a prompt cache came to hold what it holds, so that it can be brought there again.

A token read alone and the same token read among others go through other kernels, which shows in the
last bits of what is said next. A lineage says how many tokens each read took at once; what stood in
a read behind the tokens that were kept does not matter, only how many there were. (Measured on
llama.cpp's CPU kernels; `tests/rag/engines/test_lineage.py` holds it.)
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, runtime_checkable

from rag.types import Engine, Message


@dataclass(frozen=True, slots=True)
class Run:
    """One read of a cache: of `size` tokens read at once the first `kept` are still there."""

    kept: int
    size: int


@dataclass(frozen=True, slots=True)
class Start:
    """The state in which an engine began to read a prompt.

    `runs` are the lineage of what the cache held of it, `prompt` the tokens of the whole prompt,
    `sha256` the hash of their ids (little-endian, four bytes each), `library` what computed.
    """

    runs: tuple[Run, ...]
    prompt: int
    sha256: str
    library: str = ""

    @property
    def cached(self) -> int:
        """Tokens of the prompt that did not have to be read."""
        return sum(run.kept for run in self.runs)


@runtime_checkable
class Rewinds(Protocol):
    """An engine whose prompt cache can be put in the state that `messages` alone leave.

    What is asked next then gives the same bits whatever was asked before: how much of a prompt is
    found in the cache, and how much is read at once, shows in the last bits of a probability.
    """

    def rewind(self, messages: Sequence[Message]) -> None: ...


@runtime_checkable
class Replays(Protocol):
    """An engine that can begin again in the very state in which it once began."""

    def began(self) -> Start | None:
        """How this thread's last `stream` or `score` began; None before the first."""
        ...

    def restore(self, messages: Sequence[Message], start: Start) -> None:
        """Bring the cache to where it was when `messages` were read. Raises EngineError."""
        ...


def start_of(engine: Engine) -> Start | None:
    """How the engine's last answer to this thread began, if it is one that can say so."""
    return engine.began() if isinstance(engine, Replays) else None


def cut(runs: Sequence[Run], tokens: int) -> list[Run]:
    """The lineage of a cache's first `tokens` tokens."""
    left, kept = tokens, []
    for run in runs:
        if left <= 0:
            break
        kept.append(Run(min(run.kept, left), run.size))
        left -= run.kept
    return kept


def alone(tokens: int, portion: int) -> list[Run]:
    """The lineage of `tokens` tokens that were read into an empty cache, `portion` at once."""
    sizes = [min(portion, tokens - begin) for begin in range(0, tokens, portion)]
    return [Run(size, size) for size in sizes]


def common(held: Sequence[Run], wanted: Sequence[Run]) -> int:
    """How many tokens of a cache with lineage `held` are as they are in one with `wanted`."""
    tokens = 0
    for mine, other in zip(held, wanted, strict=False):
        if mine.size != other.size or mine.kept < other.kept:
            break
        tokens += other.kept
        if mine.kept != other.kept:
            break
    return tokens


def packed(runs: Sequence[Run]) -> list[list[int]]:
    """`[kept, size, times]` a row: decoding leaves hundreds of reads of one token."""
    return [[run.kept, run.size, len(list(same))] for run, same in groupby(runs)]


def unpacked(rows: Sequence[Sequence[int]]) -> tuple[Run, ...]:
    """The runs that `packed` made the rows of. Raises ValueError for what can't be any."""
    runs: list[Run] = []
    for kept, size, times in rows:
        if not (0 < kept <= size and times > 0):
            raise ValueError(f"a cache can't hold {kept} of {size} tokens, {times} times")
        runs += [Run(kept, size)] * times
    return tuple(runs)


def token_hash(ids: Sequence[int]) -> str:
    """The sha256 of a prompt's token ids."""
    return hashlib.sha256(array("i", ids).tobytes()).hexdigest()


def best_slot(shares: Sequence[int], used: Sequence[int], prompt: int) -> int:
    """Which of several caches a prompt of `prompt` tokens should be read into. Pure.

    The one that holds most of it (`shares`, in tokens) if that is at least half: it is the same
    conversation. Else the one that was `used` longest ago, so that no other conversation loses its
    own for the few words that all prompts begin with.
    """
    places = range(len(shares))
    best = max(places, key=lambda place: (shares[place], -used[place]))
    return best if 2 * shares[best] >= prompt else min(places, key=lambda place: used[place])
