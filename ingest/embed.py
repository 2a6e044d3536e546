"""Texts to unit vectors with a sentence-transformers model from a local folder.

Loads what runs the model when an embedder is first used, not before: counting tokens needs only
the tokenizer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ingest.encoders.arithmetic import Arithmetic
from ingest.encoders.layers import VIEWS
from ingest.errors import SurefootError
from ingest.types import Embedder, Vectors


class Encoder(Protocol):
    """A loaded model."""

    def encode(self, texts: Sequence[str]) -> Vectors: ...

    def layers(self, texts: Sequence[str]) -> Vectors: ...


class SentenceEmbedder:
    """A model folder as an `Embedder`. float32 unit vectors, whatever it computes in.

    On a GPU float16 by torch. On a CPU the fastest arithmetic that it has, by OpenVINO where that
    is installed and knows the model, else by torch: bfloat16 (cosine over 0.999 to float32), and
    for `bulk` work int8 (over 0.99); `surefoot bench ingest` measures
    them. Raises SurefootError if the folder
    can't be loaded.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        sha256: str,
        bulk: bool = False,
        arithmetic: Arithmetic | None = None,
    ) -> None:
        self.name = name
        self.sha256 = sha256
        self._path = path
        self._bulk = bulk
        self._arithmetic = arithmetic
        self._lock = threading.Lock()
        if not (path / "tokenizer.json").is_file():
            raise SurefootError(f"embedder {name}: no tokenizer.json in {path}")

    @cached_property
    def dimension(self) -> int:
        """Length of a vector, read from the model's own config."""
        import json

        config = json.loads((self._path / "config.json").read_text(encoding="utf-8"))
        return int(config["hidden_size"])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimension). Texts over the window are cut by the model."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        with self._lock:
            return self._encoder.encode(texts)

    def layers(self, texts: Sequence[str]) -> Vectors:
        """As `embed`, each vector followed by what other layers say: ingest.encoders.layers."""
        if not texts:
            return np.zeros((0, VIEWS * self.dimension), dtype=np.float32)
        with self._lock:
            return self._encoder.layers(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, without special tokens."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(item.ids) for item in encoded]

    @cached_property
    def _tokenizer(self) -> Any:
        return open_tokenizer(self._path)

    @cached_property
    def _encoder(self) -> Encoder:
        from ingest.encoders.choice import open_encoder

        try:
            return open_encoder(
                self._path, self.sha256, self._tokenizer, self._bulk, self._arithmetic
            )
        except (OSError, ValueError, KeyError) as error:
            line = " ".join(str(error).split())[:200]
            raise SurefootError(
                f"embedder {self.name}: cannot load {self._path}: {line}"
            ) from error


class CachedEmbedder:
    """An embedder that remembers the vectors of the last `size` texts. Safe to share by threads."""

    def __init__(self, inner: Embedder, size: int) -> None:
        self._inner = inner
        self._size = size
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def inner(self) -> Embedder:
        """The embedder that this one asks."""
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def sha256(self) -> str:
        return self._inner.sha256

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors in the order of `texts`; only those not known are computed, each once."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, self._inner.embed(missing), strict=True))
        with self._lock:
            for text in dict.fromkeys(texts):
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([found[text] for text in texts])

    def forget(self) -> None:
        """Drop every remembered text."""
        with self._lock:
            self._known.clear()


def open_tokenizer(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` of a model folder, which neither cuts nor pads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # The file that ships cuts and pads at 128 tokens, which would make every count a lie.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
