"""Which cases the shipped weights were trained on: figures over them flatter, and must say so.

`seen.npz` holds 64-bit hashes of the training texts by suite, written by `evals.train.seen`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEEN = Path(__file__).parent / "train" / "seen.npz"
FIELD = "seen_in_training"
# What of a case a training script reads, by suite.
_TEXTS = {
    "moderation": ("text",),
    "injection": ("text",),
    "refusal": ("text",),
    "grounding": ("source", "answer"),
    "qa": ("query",),
}
TRAINED = tuple(_TEXTS)


def fingerprint(suite: str, row: Mapping[str, Any]) -> int:
    """A hash of what training would have read of a case; spacing and letter case aside."""
    text = "\0".join(" ".join(str(row.get(name, "")).lower().split()) for name in _TEXTS[suite])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def was_seen(suite: str, row: Mapping[str, Any]) -> bool | None:
    """Was the case trained on? None for suites whose subject is not trained."""
    if suite not in _TEXTS:
        return None
    known = _known(suite)
    mark = np.uint64(fingerprint(suite, row))
    place = int(np.searchsorted(known, mark))
    return place < len(known) and bool(known[place] == mark)


@cache
def _known(suite: str) -> NDArray[np.uint64]:
    with np.load(SEEN, allow_pickle=False) as file:
        found: NDArray[np.uint64] = file[suite]
    return found
