"""May a sentence be shown? The policy on support and flags, apart from what makes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rag.config import GroundingConfig
from rag.grounding import Support
from rag.types import Flag

ONCE_MORE = "a claim of the first answer did not pass, so it was made once more from the evidence"
NOT_EVERY = "not every claim of the answer is supported by the passages"
NOTHING_PASSED = "nothing that the model said is supported by the passages"
NO_ANSWER = "the model found no answer in the passages"


def passes(config: GroundingConfig, support: Support, flags: Sequence[Flag]) -> bool:
    """Whether a claim may be shown. One whose check failed is as unsupported as can be."""
    if config.policy == "annotate":
        return True
    supported = not support.failed and (support.score or 0.0) >= config.threshold
    return supported and not (config.policy == "strict" and flags)


def ending(again: bool, claims: int, refused: bool, failed: bool) -> str:
    """Why a generated answer ends as it does; "" for one that needs no reason.

    `again`: it was made once more. Of the last attempt: the `claims` that passed, whether the model
    did not know, and whether under "strict" a claim `failed`, which leaves nothing to show.
    """
    if failed or (again and not claims):
        return NOT_EVERY
    if claims:
        return ONCE_MORE if again else ""
    return NO_ANSWER if refused else NOTHING_PASSED
