"""The shipped tagger: hashed words, four convolutions over neighbours, the likeliest tags.

The network is that of spaCy's small English model (a maxout CNN over hash embeddings, Honnibal
2017) with a tag a word in place of its parser, so that words are computed all at once, in NumPy
alone. A word's vector before the convolutions depends on the word alone and is remembered.
Tags: "B-" begins a name, "I-" goes on, "O" is none; the best sequence is Viterbi's (1967).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from rag.errors import FilterError
from rag.safety.names.types import Name
from rag.safety.names.words import TABLES, Splitter, Words, rows

WIDTH, PIECES, DEPTH = 96, 3, 4
BEHIND = 24
"""Characters before a text that the tagger sees: the convolutions reach four words far."""

_REMEMBERED = 50_000
_NEVER = np.float32(-1e4)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """A maxout layer with its normalisation: `weight` (inputs, PIECES * WIDTH), the rest rows."""

    weight: Floats
    bias: Floats
    gain: Floats
    shift: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """(n, inputs) -> (n, WIDTH)."""
        pieces = (inputs @ self.weight + self.bias).reshape(-1, PIECES, WIDTH)
        best: Floats = np.maximum(np.maximum(pieces[:, 0], pieces[:, 1]), pieces[:, 2])
        best -= best.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.einsum("ij,ij->i", best, best) / WIDTH + 1e-8)
        best *= self.gain / spread[:, None]
        best += self.shift
        return best


@dataclass(frozen=True, slots=True)
class Network:
    """`table` (sum of TABLES, WIDTH), `mix` over a word's views, DEPTH `convolutions`, the head.

    `head` (WIDTH, len(tags)) and `head_bias` give a logit a tag.
    """

    tags: tuple[str, ...]
    table: Floats
    mix: Layer
    convolutions: tuple[Layer, ...]
    head: Floats
    head_bias: Floats

    def embed(self, views: npt.NDArray[np.uint64]) -> Floats:
        """Vectors of words, shape (n, WIDTH), without their neighbours; see `Words.keys`."""
        seen = self.table[rows(views)].sum(axis=2)
        return self.mix(seen.reshape(len(views), len(TABLES) * WIDTH))

    def logits(self, vectors: Floats, gaps: npt.NDArray[np.bool_]) -> Floats:
        """(n, WIDTH) -> (n, tags). Rows marked as gaps are zero and part one text from the next."""
        for convolution in self.convolutions:
            window = np.empty((len(vectors), 3 * WIDTH), np.float32)
            window[0, :WIDTH] = 0
            window[1:, :WIDTH] = vectors[:-1]
            window[:, WIDTH : 2 * WIDTH] = vectors
            window[-1, 2 * WIDTH :] = 0
            window[:-1, 2 * WIDTH :] = vectors[1:]
            vectors = vectors + convolution(window)
            vectors[gaps] = 0
        return vectors @ self.head + self.head_bias


class Tagger:
    """Finds names with `network`. Safe to share by threads."""

    behind = BEHIND

    def __init__(self, network: Network) -> None:
        self._network = network
        self._splitter = Splitter()
        self._known: dict[bytes, Floats] = {}
        self._lock = Lock()
        self._moves = moves(network.tags)

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """The names of each text."""
        with self._lock:
            parts = [self._splitter.split(text) for text in texts]
        vectors, gaps = self._vectors(parts)
        if not len(vectors):
            return [[] for _ in texts]
        chances = softmax(self._network.logits(vectors, gaps))
        plain = chances.argmax(axis=1).tolist()
        found, first = [], 0
        for words in parts:
            last = first + len(words)
            found.append(self._read(words, chances[first:last], plain[first:last]))
            first = last + 1
        return found

    def _vectors(self, parts: Sequence[Words]) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Word vectors of all parts one after the other, each with a gap of zeros behind it."""
        gaps = np.zeros(sum(len(words) + 1 for words in parts), np.bool_)
        gaps[np.cumsum([len(words) + 1 for words in parts], dtype=np.int64) - 1] = True
        vectors = np.zeros((len(gaps), WIDTH), np.float32)
        if not gaps.all():
            vectors[~gaps] = self._embedded(np.concatenate([words.keys for words in parts]))
        return vectors, gaps

    def _embedded(self, views: npt.NDArray[np.uint64]) -> Floats:
        keys = [key.tobytes() for key in views]
        with self._lock:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            new = {key: i for i, key in enumerate(keys) if key not in self._known}
            if new:
                fresh = self._network.embed(views[list(new.values())])
                self._known.update(zip(new, fresh, strict=True))
            return np.array([self._known[key] for key in keys])

    def _read(self, words: Words, chances: Floats, plain: list[int]) -> list[Name]:
        if not any(plain):
            return []
        path = plain if _allowed(plain, self._moves) else best_path(np.log(chances), self._moves)
        return [
            Name(
                int(words.starts[first]),
                int(words.ends[last - 1]),
                label,
                float(chances[range(first, last), path[first:last]].mean().clip(1e-6, 1.0)),
            )
            for first, last, label in _spans(path, self._network.tags)
        ]


def softmax(logits: Floats) -> Floats:
    """Rows of logits to rows of probabilities, none of them 0."""
    chances: Floats = np.exp(logits - logits.max(axis=1, keepdims=True)) + np.float32(1e-9)
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


def moves(tags: Sequence[str]) -> Floats:
    """(tags + 1, tags): 0 where a tag may follow another (the last row: begin), else never."""
    table = np.zeros((len(tags) + 1, len(tags)), np.float32)
    for j, tag in enumerate(tags):
        if tag.startswith("I-"):
            allowed = [i for i, before in enumerate(tags) if before[2:] == tag[2:] != ""]
            table[:, j] = _NEVER
            table[allowed, j] = 0
    return table


def best_path(scores: Floats, allowed: Floats) -> list[int]:
    """The tags (n,) of the highest sum of `scores` (n, tags) over allowed moves."""
    total, came = scores[0] + allowed[-1], []
    for row in scores[1:]:
        routes = total[:, None] + allowed[:-1]
        came.append(routes.argmax(axis=0))
        total = routes.max(axis=0) + row
    path = [int(total.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _allowed(path: Sequence[int], allowed: Floats) -> bool:
    return allowed[-1, path[0]] == 0 and all(allowed[i, j] == 0 for i, j in pairwise(path))


def _spans(path: Sequence[int], tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first word, last word + 1, label) of every name on a path."""
    found: list[tuple[int, int, str]] = []
    for i, tag in enumerate(path):
        if tags[tag].startswith("B-"):
            found.append((i, i + 1, tags[tag][2:]))
        elif tags[tag].startswith("I-"):
            first, _, label = found.pop()
            found.append((first, i + 1, label))
    return found


def load_network(path: Path) -> Network:
    """The network at `path`. Raises FilterError if it is missing, damaged or of another shape."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tags = tuple((file.metadata() or {})["tags"].split(" "))
            tensors = {key: file.get_tensor(key).astype(np.float32) for key in file.keys()}  # noqa: SIM118  no mapping
        network = Network(
            tags,
            tensors["table"],
            _layer(tensors, "mix"),
            tuple(_layer(tensors, f"convolution{i}") for i in range(DEPTH)),
            tensors["head"],
            tensors["head_bias"],
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        problem = f"weights {path.name} cannot be read ({type(error).__name__})"
        raise FilterError("pii", problem) from error
    _check(network, path.name)
    return network


def _layer(tensors: dict[str, Floats], name: str) -> Layer:
    return Layer(*(tensors[f"{name}.{part}"] for part in ("weight", "bias", "gain", "shift")))


def _check(network: Network, name: str) -> None:
    """Raises FilterError unless every shape is what the arithmetic takes it for."""
    layers = [(network.mix, len(TABLES) * WIDTH)]
    layers += [(layer, 3 * WIDTH) for layer in network.convolutions]
    count = len(network.tags)
    sound = network.table.shape == (sum(TABLES), WIDTH) and network.head.shape == (WIDTH, count)
    sound &= network.head_bias.shape == (count,)
    for layer, inputs in layers:
        sound &= layer.weight.shape == (inputs, PIECES * WIDTH)
        sound &= layer.bias.shape == (PIECES * WIDTH,)
        sound &= layer.gain.shape == layer.shift.shape == (WIDTH,)
    if not sound:
        raise FilterError("pii", f"weights {name} are of another shape")
