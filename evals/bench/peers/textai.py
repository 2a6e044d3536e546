"""txtai's embeddings database over a local model folder, with the texts kept beside the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from txtai import Embeddings


def ingest(chunks: Sequence[str], folder: Path, model: Path) -> None:
    """Chunk texts to a saved database in a new folder. Loads the model each time."""
    database = Embeddings(path=str(model), content=True)
    database.index(list(enumerate(chunks)))
    database.save(str(folder))
    database.close()
