"""Texts to unit vectors with a sentence-transformers model from a local folder.

Loads torch when an embedder is first used, not before: counting tokens needs only the tokenizer.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ingest.errors import SurefootError
from ingest.types import Embedder, Vectors

BATCH = 32
BATCH_GPU = 256


class SentenceEmbedder:
    """A model folder as an `Embedder`. float32 unit vectors, whatever it computes in.

    On a CPU with bfloat16 arithmetic that is used (2 to 3 times float32, cosine over 0.99 to it);
    on a GPU float16. Raises SurefootError if the folder can't be loaded.
    """

    def __init__(self, path: Path, name: str, sha256: str) -> None:
        self.name = name
        self.sha256 = sha256
        self._path = path
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
            model, batch = self._model
            found = model.encode(
                list(texts), batch_size=batch, convert_to_numpy=True, show_progress_bar=False
            )
        vectors = np.asarray(found, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, without special tokens."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(item.ids) for item in encoded]

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._path / "tokenizer.json"))
        # The file that ships cuts and pads at 128 tokens, which would make every count a lie.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _model(self) -> tuple[Any, int]:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model = SentenceTransformer(str(self._path), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            line = " ".join(str(error).split())[:200]
            raise SurefootError(
                f"embedder {self.name}: cannot load {self._path}: {line}"
            ) from error
        if device == "cuda":
            return model.half(), BATCH_GPU
        return (model.to(torch.bfloat16) if cpu_has_bfloat16() else model), BATCH


class CachedEmbedder:
    """An embedder that remembers the vectors of the last `size` texts. Safe to share by threads."""

    def __init__(self, inner: Embedder, size: int) -> None:
        self._inner = inner
        self._size = size
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

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


def cpu_has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware; elsewhere torch emulates it slowly."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})
