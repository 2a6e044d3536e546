"""Near-duplicates among the candidates come to one place, the others named there. Pure.

Only chunks that say almost the same in different documents of one family are brought together:
two versions of a handbook share a place where they agree and keep two where they do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.near import shingles
from ingest.types import StoredChunk

SAME = 0.7


@dataclass(frozen=True, slots=True)
class Place:
    """`row` is shown at the rank that `found` has; `also` are documents that say the same.

    `older` are those of them that bear an earlier date than the one shown.
    """

    found: int
    row: int
    also: tuple[str, ...] = ()
    older: tuple[str, ...] = ()


def crowded(rows: Sequence[int], families: Mapping[int, int]) -> list[int]:
    """The rows that share their family with another candidate, in the given order."""
    sizes = Counter(families[row] for row in rows if row in families)
    return [row for row in rows if row in families and sizes[families[row]] > 1]


def collapse(
    rows: Sequence[int], families: Mapping[int, int], chunks: Mapping[int, StoredChunk]
) -> list[Place]:
    """Rows, best first, to places, best first. `chunks` holds every crowded row."""
    members: list[list[int]] = []
    by_family: dict[int, list[list[int]]] = {}
    words = {row: frozenset(shingles(chunk.text)) for row, chunk in chunks.items()}
    for row in rows:
        mine = by_family.setdefault(families[row], []) if row in chunks else []
        for place in mine:
            if _joins(row, place, chunks, words):
                place.append(row)
                break
        else:
            members.append([row])
            mine.append(members[-1])
    return [_place(place, chunks) for place in members]


def _joins(
    row: int,
    place: Sequence[int],
    chunks: Mapping[int, StoredChunk],
    words: Mapping[int, frozenset[str]],
) -> bool:
    if any(chunks[other].document == chunks[row].document for other in place):
        return False
    one, other = words[row], words[place[0]]
    if not one or not other:
        return chunks[row].text == chunks[place[0]].text
    # Chunks of two versions may be cut at other places: what counts is the part of the shorter.
    return len(one & other) >= SAME * min(len(one), len(other))


def _place(members: Sequence[int], chunks: Mapping[int, StoredChunk]) -> Place:
    best = members[0]
    if len(members) == 1:
        return Place(best, best)
    shown = best
    if chunks[best].date:
        # Of equals the first: it ranks highest.
        shown = max(members, key=lambda row: chunks[row].date)
    others = {chunks[row].document: chunks[row].date for row in members if row != shown}
    older = (name for name, date in others.items() if "" < date < chunks[shown].date)
    return Place(best, shown, tuple(others), tuple(older))
