"""What the best passages name leads on to the next document: a question may span several. Pure.

"Who is the mother of the director of F?" finds F; F's passage names the director, whose own
document holds the answer. (Qi et al., "Answering Complex Open-domain Questions Through Iterative
Query Generation", EMNLP 2019: a second search by what the first one found.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, zip_longest

from rag.words import STOP_WORDS

# Capitalised words in a row, small words between them allowed: "Bank of England".
_NAME = re.compile(r"\b[A-Z][\w'’-]*(?:\s+(?:(?:of|the|and|de|von|van)\s+)?[A-Z][\w'’-]*)*")
_LEAST = 4
_MOST = 8


def new_names(question: str, title: str, text: str) -> list[str]:
    """The first names in a passage that the question does not say."""
    said = question.lower()
    found = dict.fromkeys(_NAME.findall(f"{title}. {text}"))
    new = (name for name in found if len(name) >= _LEAST and name.lower() not in said)
    return [name for name in new if name.lower() not in STOP_WORDS][:_MOST]


def says(text: str, names: Sequence[str]) -> bool:
    """Whether a text holds one of the names, whatever its capitals."""
    lower = text.lower()
    return any(name.lower() in lower for name in names)


def turns(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Rows of several rankings, each ranking's best first, in turn; each row once."""
    rounds = zip_longest(*rankings)
    return list(dict.fromkeys(row for row in chain.from_iterable(rounds) if row is not None))


def inserted(rows: Sequence[int], linked: Sequence[int], after: int) -> list[int]:
    """The rows with the linked ones right after the best `after`; each row once."""
    head = rows[:after]
    return list(dict.fromkeys([*head, *linked, *rows[after:]]))
