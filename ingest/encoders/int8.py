"""int8 linear layers: ranges of activations observed once, large channels smoothed into weights.

(Xiao et al., "SmoothQuant", ICML 2023.) Weights are symmetric, a scale for each output; activations
have one range a layer, known beforehand. The ranges of a model are a small file named by the hash
of its weights, written by evals/train/int8.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ingest.encoders.bert import Array, Node, constant, exact

FOLDER = Path(__file__).parent
_LEVELS = 256
_PEAK = 127


@dataclass(frozen=True, slots=True)
class Range:
    """Of one linear layer: what divides each input channel, and the range that remains."""

    smooth: Array
    low: float
    high: float


def ranges_file(sha256: str) -> Path:
    """Where the ranges are of the model whose weights have this hash."""
    return FOLDER / f"{sha256[:16]}.int8.safetensors"


def read_ranges(file: Path) -> list[Range]:
    """In the order of the graph's linear layers. Raises OSError, SafetensorError."""
    from safetensors.numpy import load_file

    found = load_file(file)
    return [
        Range(found[f"{layer}.smooth"].astype(np.float32), float(low), float(high))
        for layer, (low, high) in enumerate(found["ends"])
    ]


def write_ranges(ranges: Sequence[Range], file: Path) -> None:
    from safetensors.numpy import save_file

    arrays = {f"{n}.smooth": each.smooth.astype(np.float32) for n, each in enumerate(ranges)}
    ends = np.array([(each.low, each.high) for each in ranges], np.float32)
    save_file({**arrays, "ends": ends}, file)


class Int8:
    """A graph's linear layers in int8; made for one graph, called in the order of its layers."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges = iter(ranges)

    def __call__(self, states: Node, weights: Array, bias: Array) -> Node:
        from openvino import opset13 as op

        span = next(self._ranges)
        smoothed = op.multiply(states, constant((1 / span.smooth).astype(np.float32)))
        low, high = (constant(np.float32(end)) for end in (span.low, span.high))
        rounded = op.fake_quantize(smoothed, low, high, low, high, _LEVELS)
        weights = weights * span.smooth
        scale = np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12) / _PEAK
        whole = np.clip(np.round(weights / scale), -_PEAK, _PEAK).astype(np.int8)
        unscaled = op.convert(constant(whole), "f32")
        product = op.matmul(rounded, op.multiply(unscaled, constant(scale)), False, True)
        return op.add(product, constant(bias))


class Observer:
    """Exact linear layers whose graph also gives the least and greatest input of each channel."""

    def __init__(self) -> None:
        self._seen: list[Node] = []
        self._weights: list[Array] = []

    def __call__(self, states: Node, weights: Array, bias: Array) -> Node:
        from openvino import opset13 as op

        axes = constant([0, 1])
        self._seen += [op.reduce_min(states, axes, False), op.reduce_max(states, axes, False)]
        self._weights.append(weights)
        return exact(states, weights, bias)

    def results(self) -> list[Node]:
        """To be given to the graph as its extra results."""
        return self._seen

    def ranges(self, outputs: Sequence[Sequence[Array]], strength: float) -> list[Range]:
        """From the extra results of a number of runs. `strength` is SmoothQuant's alpha."""
        found: list[Range] = []
        for layer, weights in enumerate(self._weights):
            low = np.min([run[2 * layer] for run in outputs], axis=0)
            high = np.max([run[2 * layer + 1] for run in outputs], axis=0)
            found.append(_range(low, high, weights, strength))
        return found


def _range(low: Array, high: Array, weights: Array, strength: float) -> Range:
    inputs = np.maximum(np.maximum(-low, high), 1e-5)
    outputs = np.maximum(np.abs(weights).max(0), 1e-5)
    smooth: Any = inputs**strength / outputs ** (1 - strength)
    smooth = smooth / np.exp(np.log(smooth).mean())
    return Range(
        smooth.astype(np.float32), float((low / smooth).min()), float((high / smooth).max())
    )
