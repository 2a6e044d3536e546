"""Search by words: BM25 over title, headings and text, by SQLite's FTS5.

FTS5 scores every chunk that has any of the words, 2 microseconds and a page of its row each. That
is right for small bases; in large ones `ingest.pruning` says which chunks are worth it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest import bm25, pruning
from ingest.pruning import Count, Frequencies
from ingest.schema import json_array, live
from ingest.types import Hit

# Chunks of a base up to which all that has any of the words is scored.
SMALL = 20_000
# Scored by the words left out of the search, which may bring up what it ranks lower.
_RESCORED = 200

_SEARCH = f"""
  SELECT chunks.row, {bm25.SCORE} AS score
  FROM lexical JOIN chunks ON chunks.row = lexical.rowid
  WHERE lexical MATCH :query AND {live("chunks")} {{among}}
  ORDER BY score, chunks.row LIMIT :k
"""
_MASKED = " AND substr(:mask, chunks.row, 1) = x'01'"
_THESE = " AND chunks.row IN (SELECT value FROM json_each(:rows))"


def phrases(terms: Sequence[str]) -> list[str]:
    """Each term as one phrase of FTS5; those without a letter or digit are left out."""
    return [_phrase(term) for term in terms if any(map(str.isalnum, term))]


def _phrase(term: str) -> str:
    # Quoted, nothing in a term is an operator; "E-42" becomes the phrase of "e" and "42".
    return '"' + term.replace("\x00", " ").replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Words:
    """The word index as one generation, of `size` chunks, sees it."""

    connection: sqlite3.Connection
    generation: int
    size: int
    frequencies: Frequencies = field(default_factory=Frequencies)

    def best(
        self,
        wanted: Sequence[str],
        k: int,
        mask: bytes | None = None,
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        """The k best chunks for any of these `phrases`; scores are positive, larger is better.

        With a mask (a byte for each row, 1 for yes) or rows, only such chunks are scored. Over
        SMALL chunks, some that have only common words may be missed; scores are those of all words.
        """
        if self.size <= SMALL:
            return self.exact(wanted, k, mask, rows)
        counts = self.frequencies.counts(self.connection, self.generation, wanted)
        if not counts:
            return []
        if rows is not None:
            seen = [row for row in rows if mask is None or mask[row - 1 : row] == b"\x01"]
            return self._scored(counts, seen)[:k]
        share = 1.0 if mask is None else max(1, mask.count(1)) / max(1, len(mask))
        pruned = pruning.pruned(counts, self.size, share)
        among = max(k, _RESCORED) if pruned.left else k
        found = pruning.best(self.connection, self.generation, pruned.queries, among, mask)
        return self._scored(counts, [hit.row for hit in found])[:k] if pruned.left else found

    def _scored(self, counts: Sequence[Count], rows: Sequence[int]) -> list[Hit]:
        return bm25.scored(self.connection, self.generation, counts, rows)

    def exact(
        self,
        wanted: Sequence[str],
        k: int,
        mask: bytes | None = None,
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        """As `best`, missing nothing, however many chunks there are to score."""
        query = " OR ".join(wanted)
        among, values = "", dict[str, Any](query=query, g=self.generation, k=k)
        if mask is not None:
            among, values["mask"] = among + _MASKED, mask
        if rows is not None:
            among, values["rows"] = among + _THESE, json_array(rows)
        found = self.connection.execute(_SEARCH.format(among=among), values)
        return [Hit(row, -score) for row, score in found]
