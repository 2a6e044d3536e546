"""One prompt cache of a llama.cpp model: the tokens it holds, and how they were read into it.

Knows contexts, batches and logits; knows nothing of messages, turns or text.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import finalize

import numpy as np

from rag.engines.lineage import Run, alone, common, cut
from rag.engines.logits import fill
from rag.types import Decoding

# Tokens read at once: the batch that contexts are made with.
PORTION = 512
# Repetition is punished within so many tokens: llama-cpp-python's default.
LOOK_BACK = 64


class Unread(Exception):
    """llama.cpp did not read a batch: it was stopped, or something is wrong."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"llama_decode returned {code}")


class Slot:
    """A context over a model's weights, which it shares with other slots.

    `ids` are the tokens in it, `runs` their lineage; `used` is when it was chosen last. `stopped`
    is asked between the nodes of a graph: True ends a read with Unread.
    """

    def __init__(self, llama: Any, stopped: Callable[[], bool], first: bool) -> None:
        import llama_cpp

        self.ids: list[int] = []
        self.runs: list[Run] = []
        self.used = 0
        self._llama = llama
        self._context = llama.ctx if first else _context(llama)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = int(llama.n_vocab())
        self._batch = llama_cpp.llama_batch_init(PORTION, 0, 1)
        finalize(self, llama_cpp.llama_batch_free, self._batch)
        if not first:
            finalize(self, llama_cpp.llama_free, self._context)
        callback = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
        self._abort = callback(lambda _: stopped())
        llama_cpp.llama_set_abort_callback(self._context, self._abort, None)

    def keep(self, tokens: int) -> int:
        """Cut to the first `tokens` tokens. Returns those kept: 0 if the memory can't be cut."""
        import llama_cpp

        if tokens and llama_cpp.llama_memory_seq_rm(self._memory, 0, tokens, -1):
            self.ids, self.runs = self.ids[:tokens], cut(self.runs, tokens)
        else:
            self.forget()
        return len(self.ids)

    def forget(self) -> None:
        """Empty the cache."""
        import llama_cpp

        llama_cpp.llama_memory_clear(self._memory, False)
        self.ids, self.runs = [], []

    def read(self, ids: Sequence[int]) -> None:
        """Read tokens after those that are there. Raises Unread; whole portions before it stay."""
        for begin in range(0, len(ids), PORTION):
            self.read_at_once(ids[begin : begin + PORTION])

    def read_at_once(self, ids: Sequence[int], wanted: int = 1) -> None:
        """At most `PORTION` tokens; the logits of the last `wanted` can be asked for afterwards."""
        import llama_cpp

        fill(self._batch, ids, len(self.ids), wanted)
        if code := llama_cpp.llama_decode(self._context, self._batch):
            self.keep(len(self.ids))
            raise Unread(int(code))
        self.ids += ids
        self.runs.append(Run(len(ids), len(ids)))

    def holds_alone(self, ids: Sequence[int]) -> bool:
        """Whether it begins with these, read by themselves."""
        runs = cut(self.runs, len(ids))
        return bool(ids) and self.ids[: len(ids)] == ids and runs == alone(len(ids), PORTION)

    def restore(self, ids: Sequence[int], runs: Sequence[Run]) -> None:
        """Hold `ids`, read as `runs` say. Raises Unread.

        What stood behind the tokens that a run kept is made up: only its length matters.
        """
        same = next(
            (at for at, (a, b) in enumerate(zip(self.ids, ids, strict=False)) if a != b),
            min(len(self.ids), len(ids)),
        )
        at = common(cut(self.runs, same), runs)
        self.keep(at)
        for run in _after(runs, at):
            part = list(ids[at : at + run.kept])
            self.read_at_once(part + part[-1:] * (run.size - run.kept))
            at += run.kept
            self.keep(at)

    def row(self, back: int = -1) -> Any:
        """Logits of the last read, from its end, shape (vocabulary,). Valid until the next."""
        import llama_cpp

        pointer = llama_cpp.llama_get_logits_ith(self._context, back)
        return np.ctypeslib.as_array(pointer, shape=(self._vocabulary,))

    @contextmanager
    def chooser(self, decoding: Decoding) -> Iterator[Callable[[], int]]:
        """What picks the next token after the last read: the likeliest, or llama.cpp's samplers."""
        import llama_cpp

        if decoding.temperature == 0 and decoding.repetition_penalty == 1.0:
            yield lambda: int(self.row().argmax())
            return
        chain = _samplers(decoding, self._vocabulary)
        try:
            yield lambda: int(llama_cpp.llama_sampler_sample(chain, self._context, -1))
        finally:
            llama_cpp.llama_sampler_free(chain)


def _after(runs: Sequence[Run], tokens: int) -> Iterator[Run]:
    """The runs behind the first `tokens` tokens, which end with one of them."""
    for run in runs:
        if tokens <= 0:
            yield run
        tokens -= run.kept


def _context(llama: Any) -> Any:
    import llama_cpp

    context = llama_cpp.llama_init_from_model(llama.model, llama.context_params)
    if context is None:
        raise MemoryError("llama.cpp has no memory for another prompt cache")
    return context


def _samplers(decoding: Decoding, vocabulary: int) -> Any:
    """llama.cpp's chain: penalties, then greedy, or top-k, top-p, temperature and chance."""
    import llama_cpp

    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    penalty = decoding.repetition_penalty
    parts = [llama_cpp.llama_sampler_init_penalties(vocabulary, LOOK_BACK, penalty, 0.0, 0.0)]
    if decoding.temperature == 0:
        parts.append(llama_cpp.llama_sampler_init_greedy())
    else:
        parts += [
            llama_cpp.llama_sampler_init_top_k(decoding.top_k),
            llama_cpp.llama_sampler_init_top_p(decoding.top_p, 1),
            llama_cpp.llama_sampler_init_temp(decoding.temperature),
            llama_cpp.llama_sampler_init_dist(decoding.seed),
        ]
    for part in parts:
        llama_cpp.llama_sampler_chain_add(chain, part)
    return chain
