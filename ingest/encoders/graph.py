"""A BERT folder run by OpenVINO: the default on a CPU, where OpenVINO is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.encoders.arithmetic import Arithmetic, fastest
from ingest.encoders.bert import BertConfig, Linear, exact, read_weights
from ingest.encoders.int8 import Int8, ranges_file, read_ranges
from ingest.encoders.layers import VIEWS, LayeredBert
from ingest.types import Vectors, unit

# Tokens of a batch: enough to fill two cores, little enough that few are padding.
_BATCH_TOKENS = 2048
# Lengths are rounded up to this, so that the shapes to prepare for are few.
_STEP = 8
_HINTS = {Arithmetic.float32: "f32", Arithmetic.bfloat16: "bf16", Arithmetic.int8: "bf16"}


class GraphEncoder:
    """Texts to unit vectors. Loads no torch. Safe to share by threads under a lock."""

    def __init__(self, compiled: Any, tokenizer: Any, window: int) -> None:
        self._compiled = compiled
        self._tokenizer = tokenizer
        self._window = window

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimension); a text is cut at the model's window."""
        dimension = self._compiled.outputs[0].partial_shape[1].get_length()
        vectors = np.empty((len(texts), dimension), np.float32)
        for places, _, found in self._batches(texts):
            vectors[places] = found[0]
        return unit(vectors)

    def layers(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), VIEWS * dimension): the vectors, then the views of other layers."""
        dimension = self._compiled.outputs[0].partial_shape[1].get_length()
        rows = np.empty((len(texts), VIEWS * dimension), np.float32)
        for places, _, found in self._batches(texts):
            rows[places] = np.hstack([unit(found[0]), found[1]])
        return rows

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[int], Any]]:
        """Places of the texts of a batch, their tokens, and what the graph makes of them."""
        encoded = [self._cut(item.ids) for item in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(encoded)), key=lambda place: len(encoded[place]))
        while order:
            size = max(1, _BATCH_TOKENS // _rounded(len(encoded[order[-1]])))
            order, places = order[:-size], order[-size:]
            batch = [encoded[place] for place in places]
            yield places, [len(ids) for ids in batch], self._run(batch)

    def _cut(self, ids: list[int]) -> list[int]:
        """At most the window, with the closing token kept: as sentence-transformers does."""
        return ids if len(ids) <= self._window else [*ids[: self._window - 1], ids[-1]]

    def _run(self, batch: Sequence[Sequence[int]]) -> Any:
        shape = len(batch), min(_rounded(max(map(len, batch))), self._window)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return self._compiled([ids, mask])


class GraphTokens(GraphEncoder):
    """Texts to a unit vector for each token. Loads no torch."""

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (tokens, dimension), of what stands in the window, specials too."""
        found: dict[int, Vectors] = {}
        for places, lengths, states in self._batches(texts):
            for row, (place, length) in enumerate(zip(places, lengths, strict=True)):
                found[place] = unit(states[0][row, :length])
        return [found[place] for place in range(len(texts))]


def open_graph(
    folder: Path,
    config: BertConfig,
    sha256: str,
    tokenizer: Any,
    arithmetic: Arithmetic | None = None,
    bulk: bool = False,
) -> GraphEncoder:
    """The model of `folder` in `arithmetic`, or in the fastest that this CPU and model have.

    int8 is chosen for `bulk` work only: its vectors are near enough for search (cosine over 0.99),
    and not for weights that were trained on exact ones.
    """
    made, arithmetic = _bert(folder, config, sha256, arithmetic, bulk)
    return GraphEncoder(compiled(made.graph(made.views), arithmetic), tokenizer, config.window)


def open_graph_tokens(
    folder: Path,
    config: BertConfig,
    sha256: str,
    tokenizer: Any,
    arithmetic: Arithmetic | None = None,
) -> GraphTokens:
    """The model of `folder` for its tokens' states, as for `bulk` work: they only rank."""
    made, arithmetic = _bert(folder, config, sha256, arithmetic, bulk=True)
    return GraphTokens(compiled(made.token_graph(), arithmetic), tokenizer, config.window)


def _bert(
    folder: Path, config: BertConfig, sha256: str, arithmetic: Arithmetic | None, bulk: bool
) -> tuple[LayeredBert, Arithmetic]:
    ranges = ranges_file(sha256)
    arithmetic = arithmetic or fastest(bulk and ranges.is_file())
    linear: Linear = Int8(read_ranges(ranges)) if arithmetic is Arithmetic.int8 else exact
    return LayeredBert(config, read_weights(folder), linear), arithmetic


def compiled(model: Any, arithmetic: Arithmetic) -> Any:
    """An `openvino.CompiledModel` of this process's CPU."""
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[arithmetic],
        # The cores are shared with a language model's threads: none is held for good.
        "ENABLE_CPU_PINNING": "NO",
    }
    if threads := os.environ.get("OMP_NUM_THREADS", ""):
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino.Core().compile_model(model, "CPU", settings)


def _rounded(length: int) -> int:
    return -(-length // _STEP) * _STEP
