"""Earlier turns: making a follow-up question stand on its own before retrieval. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.claims import content_words
from rag.types import Message

_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|he|him|his|she|her|hers|this|that|these|those|there|one|ones|"
    r"same|former|latter|both|others?)\b|^\W*(?:and|but|so|or|what about|how about|why|why not)\b",
    re.IGNORECASE,
)
FEW_WORDS = 3


def self_contained(question: str, history: Sequence[Message]) -> str:
    """The question with the user's last one before it, if it cannot be understood without.

    That is when it points back ("and for contractors?", "how long does it last?") or says little.
    """
    asked = [turn.content for turn in history if turn.role == "user"]
    if not asked:
        return question
    if not _POINTS_BACK.search(question) and len(content_words(question)) > FEW_WORDS:
        return question
    return f"{asked[-1].strip()} {question}"
