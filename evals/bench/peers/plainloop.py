"""The ingestion that most people write: encode all chunks, add them to a flat index, save both.

No transaction, no list of what is there already, no failures by name: a floor for the time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sentence_transformers import SentenceTransformer

from ingest.types import Vectors

Encode = Callable[[Sequence[str]], Vectors]


def float32_encoder(model: Path) -> Encode:
    """sentence-transformers as it comes: float32, its own batch size."""
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    encoder: Any = SentenceTransformer(str(model), local_files_only=True)

    def encode(texts: Sequence[str]) -> Vectors:
        found = encoder.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)

    return encode


def ingest(chunks: Sequence[str], folder: Path, encode: Encode) -> None:
    """Chunk texts to `index.faiss` and `chunks.json` in a new folder."""
    folder.mkdir()
    vectors = encode(chunks)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    (folder / "chunks.json").write_text(json.dumps(list(chunks)), encoding="utf-8")
