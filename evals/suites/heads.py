"""The filters with linear heads as subjects: every batch is embedded at once, and alone.

The vectors of a batch depend on that batch only, not on what was cached before it, so that a
resumed run gives the same scores to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.types import Case
from ingest.types import Embedder
from rag.config import Config
from rag.safety.features import CachedVectors
from rag.safety.floors import Floors, floors_of
from rag.safety.heads import Heads
from rag.safety.policy import policy_of
from rag.safety.shipped import load_weights
from rag.safety.units import sentences, windows

_UNITS = 1 << 16


class HeadBatch:
    """Heads with the embedder they were trained on, and the policy's thresholds for them."""

    def __init__(self, name: str, embedder: Embedder, floors: Floors) -> None:
        self.heads: Heads = load_weights(name, embedder)
        self.floors = floors
        self._embedder = embedder

    def embed(self, cases: Sequence[Case], whole: bool = False) -> CachedVectors:
        """Vectors of all that the filters will look at in these cases; `whole` texts too."""
        vectors = CachedVectors(self._embedder, _UNITS)
        texts = [case.row["text"] for case in cases]
        units = [unit.text for text in texts for unit in windows(text, sentences(text))]
        vectors([*units, *(texts if whole else ())])
        return vectors


def open_batch(name: str, config: Config) -> HeadBatch:
    """The shipped heads of a filter under the config's policy. Raises SurefootError."""
    from rag.assemble import open_plain_embedder

    return HeadBatch(name, open_plain_embedder(), floors_of(policy_of(config.guard)))
