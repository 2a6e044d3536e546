"""Search by words in a large base: what has one of the rarer words, or two of the commoner ones.

Nearly all that ranks high has a rare word of the question: where words are many, the common ones
weigh too little to make up for it. So chunks are looked for by the rarest words, as many as
together are in a bounded number of chunks, and by pairs of the others; what is found is scored by
all words. This is MaxScore (Turtle, Flood, "Query evaluation: strategies and optimizations", 1995)
with a bound on work in place of the guarantee to miss nothing, as "weak AND" allows (Broder et
al., "Efficient query evaluation using a two-level retrieval process", 2003).
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from threading import Lock

from ingest.bm25 import SCORE
from ingest.schema import json_array, live
from ingest.types import Hit

# Chunks that a search may score, about 2 microseconds each, and postings that it may count, which
# takes a fortieth of that.
SCORED, COUNTED = 8_000, 100_000
_REMEMBERED = 4096
_AT_ONCE = 256

_SCORED = f"SELECT rowid AS row, {SCORE} / ? AS score FROM lexical WHERE lexical MATCH ? {{among}}"
_MASKED = "AND substr(?, rowid, 1) = x'01'"
_LIVE = (
    f"SELECT row FROM chunks WHERE row IN (SELECT value FROM json_each(:rows)) AND {live('chunks')}"
)

Count = tuple[str, int]


class Frequencies:
    """In how many rows of the word index a phrase is; remembers it for one generation."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, int] = OrderedDict()
        self._generation = 0
        self._lock = Lock()

    def counts(
        self, connection: sqlite3.Connection, generation: int, phrases: Sequence[str]
    ) -> list[Count]:
        """The phrases that are there at all, each with its count, rarest first."""
        with self._lock:
            if generation != self._generation:
                self._known.clear()
                self._generation = generation
            known = {phrase: self._known[phrase] for phrase in phrases if phrase in self._known}
        for phrase in dict.fromkeys(phrases):
            if phrase not in known:
                known[phrase] = _count(connection, phrase)
        with self._lock:
            self._known.update(known)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        found = [(phrase, known[phrase]) for phrase in phrases if known[phrase]]
        return sorted(found, key=itemgetter(1))


def _count(connection: sqlite3.Connection, phrase: str) -> int:
    # FTS5 counts 30 million rows a second where it need not score them.
    (found,) = connection.execute(
        "SELECT count(*) FROM lexical WHERE lexical MATCH ?", (phrase,)
    ).fetchone()
    return int(found)


@dataclass(frozen=True, slots=True)
class Query:
    """What FTS5 is to look for, in which each phrase stands so many `times`."""

    match: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Pruned:
    """Which chunks are looked for; `left` phrases, the commonest, are in none of the queries."""

    queries: tuple[Query, ...]
    left: int = 0


def pruned(
    counts: Sequence[Count],
    rows: int,
    share: float = 1.0,
    scored: int = SCORED,
    counted: int = COUNTED,
) -> Pruned:
    """The queries for these phrases, in a base of so many rows, of which a `share` is visible.

    `counts` are as of `Frequencies`. At least the rarest phrase is looked for, however common.
    """
    # To pass over a hidden chunk costs no more than to count it.
    rare, others = _split(counts, min(scored / share, counted))
    common, left = _split(others, counted)
    if not rare and len(common) < 2:
        rare, common, left = counts[:1], counts[1:2], counts[2:]
    found = []
    if rare:
        # With all phrases twice, common words score where rare ones are. (NOT would do it in two
        # queries, but under it FTS5 of SQLite 3.40 loses phrases that a chunk has.)
        match = f"({_any(rare)}) AND ({_any([*rare, *common, *common])})" if common else _any(rare)
        found.append(Query(match, 2 if common else 1))
    if len(common) > 1:
        (_, count), *more = common
        pairs = count * min(1.0, sum(count for _, count in more) / rows)
        if not rare or pairs * share <= scored:
            found.append(Query(f"({_any(common[:1])}) AND ({_any(more)})"))
    return Pruned(tuple(found), len(left))


def _split(counts: Sequence[Count], bound: float) -> tuple[Sequence[Count], Sequence[Count]]:
    total = 0
    for at, (_, count) in enumerate(counts):
        total += count
        if total > bound:
            return counts[:at], counts[at:]
    return counts, []


def _any(counts: Sequence[Count]) -> str:
    return " OR ".join(phrase for phrase, _ in counts)


def best(
    connection: sqlite3.Connection,
    generation: int,
    wanted: Sequence[Query],
    k: int,
    mask: bytes | None = None,
) -> list[Hit]:
    """The k best live chunks of all that these queries find, best first, with their scores."""
    among = "" if mask is None else _MASKED
    each = " UNION ALL ".join([_SCORED.format(among=among)] * len(wanted))
    masks = [] if mask is None else [mask]
    values = [value for query in wanted for value in (query.times, query.match, *masks)]
    cursor = connection.execute(f"{each} ORDER BY score, row", values)
    found: dict[int, float] = {}
    # Whether a chunk is live is told by its row, a page each: asked of the best alone.
    while len(found) < k and (batch := cursor.fetchmany(max(k, _AT_ONCE))):
        alive = _alive(connection, generation, [row for row, _ in batch])
        for row, score in batch:
            if row in alive:
                # First comes its score by the query with all phrases that it has.
                found.setdefault(row, -score)
    return [Hit(*item) for item in found.items()][:k]


def _alive(connection: sqlite3.Connection, generation: int, rows: Sequence[int]) -> set[int]:
    found: Iterator[tuple[int]] = connection.execute(
        _LIVE, {"rows": json_array(rows), "g": generation}
    )
    return {row for (row,) in found}
