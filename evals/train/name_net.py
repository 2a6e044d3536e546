"""The tagger's network in torch, to be trained: the arithmetic of `rag.safety.names.tagger`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from rag.safety.lean import spacy
from rag.safety.names.tagger import DEPTH, PIECES, WIDTH
from rag.safety.names.words import TABLES

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Sample:
    """A text's words: `rows` (n, 4, 4) of the hash tables, `tags` (n,), IGNORE where unknown."""

    rows: npt.NDArray[np.int64]
    tags: npt.NDArray[np.int64]


class MaxoutLayer(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, PIECES * WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        pieces = self.linear(inputs).view(-1, PIECES, WIDTH)
        normed: torch.Tensor = self.norm(pieces.amax(dim=1))
        return normed


class Net(nn.Module):
    """Logits (n, tags) of packed words; gap rows (marked False in `real`) part the texts."""

    def __init__(self, tags: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(TABLES), WIDTH)
        self.mix = MaxoutLayer(len(TABLES) * WIDTH)
        self.convolutions = nn.ModuleList(MaxoutLayer(3 * WIDTH) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, tags)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        views = self.table(rows).sum(dim=2).reshape(len(rows), -1)
        mask = real[:, None].float()
        vectors = self.dropout(self.mix(self.dropout(views))) * mask
        for convolution in self.convolutions:
            before = torch.cat([vectors.new_zeros(1, WIDTH), vectors[:-1]])
            after = torch.cat([vectors[1:], vectors.new_zeros(1, WIDTH)])
            window = torch.cat([before, vectors, after], dim=1)
            vectors = (vectors + self.dropout(convolution(window))) * mask
        logits: torch.Tensor = self.head(vectors)
        return logits


def from_spacy(folder: Path, tags: int, dropout: float) -> Net:
    """A net that starts from the named-entity component of the spaCy pipeline at `folder`."""
    ner: Any = spacy.load(folder).get_pipe("ner")
    nodes = list(ner.model.get_ref("tok2vec").walk())
    net = Net(tags, dropout)
    tables = [node.get_param("E") for node in nodes if node.name == "hashembed"]
    maxouts = [node for node in nodes if node.name == "maxout"]
    norms = [node for node in nodes if node.name == "layernorm"]
    with torch.no_grad():
        net.table.weight.copy_(torch.tensor(np.concatenate(tables)))
        for layer, maxout, norm in zip(_layers(net), maxouts, norms, strict=True):
            weight, bias = maxout.get_param("W"), maxout.get_param("b")
            turned = weight.transpose(1, 0, 2).reshape(PIECES * WIDTH, -1)
            layer.linear.weight.copy_(torch.tensor(turned.copy()))
            layer.linear.bias.copy_(torch.tensor(bias.T.reshape(-1).copy()))
            layer.norm.weight.copy_(torch.tensor(norm.get_param("G")))
            layer.norm.bias.copy_(torch.tensor(norm.get_param("b")))
        net.head.weight.zero_()
        net.head.bias.zero_()
    return net


def _layers(net: Net) -> list[MaxoutLayer]:
    return [layer for layer in (net.mix, *net.convolutions) if isinstance(layer, MaxoutLayer)]


def tensors(net: Net) -> Mapping[str, npt.NDArray[np.float32]]:
    """The weights by the names and in the shapes that `load_network` reads."""
    names = ["mix", *(f"convolution{i}" for i in range(DEPTH))]
    found = {
        "table": net.table.weight,
        "head": net.head.weight.T,
        "head_bias": net.head.bias,
    }
    for name, layer in zip(names, _layers(net), strict=True):
        found[f"{name}.weight"] = layer.linear.weight.T
        found[f"{name}.bias"] = layer.linear.bias
        found[f"{name}.gain"] = layer.norm.weight
        found[f"{name}.shift"] = layer.norm.bias
    return {k: np.ascontiguousarray(v.detach().numpy(), np.float32) for k, v in found.items()}


def fit(net: Net, samples: Sequence[Sample], epochs: int, rate: float, seed: int = 0) -> None:
    """Trains in place: Adam, the rate falling to zero, batches of 64 texts of all lengths."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    steps = epochs * -(-len(samples) // 64)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, steps)
    loss = nn.CrossEntropyLoss(ignore_index=IGNORE)
    net.train()
    for epoch in range(epochs):
        order = np.random.default_rng(seed + epoch).permutation(len(samples))
        total = 0.0
        for batch in _batches(samples, order):
            rows, tags = pack(batch)
            value = loss(net(rows, tags != IGNORE - 1), tags.clamp(min=IGNORE))
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(value.detach())
        print(f"epoch {epoch}: loss {total * 64 / len(samples):.4f}", flush=True)
    net.eval()


def _batches(samples: Sequence[Sample], order: npt.NDArray[np.int64]) -> Iterator[list[Sample]]:
    for start in range(0, len(order), 64):
        yield [samples[i] for i in order[start : start + 64]]


def pack(batch: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and tags of texts one after the other; a gap has the tag IGNORE - 1."""
    gap = np.zeros((1, len(TABLES), 4), np.int64)
    rows = np.concatenate([part for sample in batch for part in (sample.rows, gap)])
    tags = np.concatenate([part for s in batch for part in (s.tags, [IGNORE - 1])])
    return torch.from_numpy(rows), torch.from_numpy(tags)
