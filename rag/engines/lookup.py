"""Prompt lookup: guess the next tokens of an answer that copies from its prompt. Pure.

The guess is what followed the last place where the text's end stood before; the model then reads
all of it at once and keeps what it would have said itself. (Saxena, Prompt Lookup Decoding, 2023.)
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 4
SHORTEST = 2


def propose(
    ids: Sequence[int], most: int, longest: int = LONGEST, shortest: int = SHORTEST
) -> list[int]:
    """At most `most` tokens that may follow `ids`; none if its end stands nowhere before.

    Of the ends of `longest` down to `shortest` tokens the longest that is found counts, at its
    last place.
    """
    for size in range(min(longest, len(ids) - 1), shortest - 1, -1):
        if (place := _before(ids, size)) is not None:
            return list(ids[place + size : place + size + most])
    return []


def _before(ids: Sequence[int], size: int) -> int | None:
    """Where the last `size` tokens stood last, before the end itself."""
    end = list(ids[-size:])
    first = end[0]
    for place in range(len(ids) - size - 1, -1, -1):
        if ids[place] == first and list(ids[place : place + size]) == end:
            return place
    return None
