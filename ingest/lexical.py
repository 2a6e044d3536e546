"""Search by words: BM25 over title, headings and text, by SQLite's FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ingest.schema import json_array, live
from ingest.types import Hit

TITLE_WEIGHT, HEADINGS_WEIGHT, TEXT_WEIGHT = 2.0, 1.5, 1.0

_SEARCH = f"""
  SELECT chunks.row, bm25(lexical, {TITLE_WEIGHT}, {HEADINGS_WEIGHT}, {TEXT_WEIGHT}) AS score
  FROM lexical JOIN chunks ON chunks.row = lexical.rowid
  WHERE lexical MATCH :query AND {live("chunks")} {{among}}
  ORDER BY score, chunks.row LIMIT :k
"""
_MASKED = " AND substr(:mask, chunks.row, 1) = x'01'"
_THESE = " AND chunks.row IN (SELECT value FROM json_each(:rows))"


def match(terms: Sequence[str]) -> str:
    """A query for any of these terms, each as one phrase; "" where none has a letter or digit."""
    return " OR ".join(_phrase(term) for term in terms if any(map(str.isalnum, term)))


def best(
    connection: sqlite3.Connection,
    generation: int,
    query: str,
    k: int,
    mask: bytes | None = None,
    rows: Sequence[int] | None = None,
) -> list[Hit]:
    """The k best chunks for a query of `match`; scores are positive, larger is better.

    With a mask (a byte for each row, 1 for yes) or rows, only such chunks are scored.
    """
    among, values = "", dict[str, Any](query=query, g=generation, k=k)
    if mask is not None:
        among, values["mask"] = among + _MASKED, mask
    if rows is not None:
        among, values["rows"] = among + _THESE, json_array(rows)
    found = connection.execute(_SEARCH.format(among=among), values)
    return [Hit(row, -score) for row, score in found]


def _phrase(term: str) -> str:
    # Quoted, nothing in a term is an operator; "E-42" becomes the phrase of "e" and "42".
    return '"' + term.replace("\x00", " ").replace('"', '""') + '"'
