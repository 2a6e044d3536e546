"""Observes a BERT embedder's activations and writes their ranges (see ingest/encoders/int8.py).

    python -m evals.train.int8 MODEL_FOLDER CORPUS [CORPUS ...]

A corpus is a .jsonl(.gz) file whose lines have a `text`. What is written are ranges, no texts; what
is printed is the cosine to float32 of passages that were not observed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from evals.lines import numbered
from evals.train.tools import load_embedder
from ingest.embed import open_tokenizer
from ingest.encoders.arithmetic import Arithmetic
from ingest.encoders.bert import Bert, read_bert, read_weights
from ingest.encoders.graph import compiled
from ingest.encoders.int8 import Observer, Range, ranges_file, write_ranges

OBSERVED = 60
CHECKED = 200
STRENGTH = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path, nargs="+")
    given = parser.parse_args()
    exact = load_embedder(given.model, Arithmetic.float32)
    texts = {path.name: passages(path) for path in given.corpus}
    seen = [text for found in texts.values() for text in found[:OBSERVED]]
    file = ranges_file(exact.sha256)
    write_ranges(observe(given.model, seen), file)
    print(f"{file}: {len(seen)} passages")
    whole = load_embedder(given.model, Arithmetic.int8)
    for name, found in texts.items():
        new = found[OBSERVED:]
        cosines = np.sum(exact.embed(new) * whole.embed(new), axis=1)
        print(f"{name}: least cosine {cosines.min():.4f}, mean {cosines.mean():.4f}, n {len(new)}")


def passages(path: Path) -> list[str]:
    """The first texts of a corpus, as many as are observed and checked."""
    lines = islice(numbered(path), OBSERVED + CHECKED)
    return [str(json.loads(line)["text"]) for _, line in lines]


def observe(folder: Path, texts: Sequence[str]) -> list[Range]:
    """Ranges of every linear layer's inputs over `texts`. Raises ValueError: not a BERT model."""
    config = read_bert(folder)
    if config is None:
        raise ValueError(f"{folder} is no plain BERT model")
    observer = Observer()
    graph = Bert(config, read_weights(folder), observer).graph(observer.results)
    tokenizer = open_tokenizer(folder)
    run = compiled(graph, Arithmetic.float32)
    outputs = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids[: config.window]], np.int64)
        found = run([ids, np.ones(ids.shape, np.float32)])
        outputs.append([found[place].copy() for place in range(1, len(found))])
    return observer.ranges(outputs, STRENGTH)


if __name__ == "__main__":
    main()
