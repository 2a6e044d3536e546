"""Search by words: BM25 over title, headings and text, exactly, at any size.

Words come from the postings (`ingest.segments`), phrases of several words from SQLite's FTS5,
which knows where words stand. Statistics are those of the generation's own chunks. A base whose
chunks have no postings yet, written by an older version, is searched by FTS5 alone: `exact`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest import bm25, ranking
from ingest.bm25 import Totals
from ingest.postings import Integers, Stored, decoded
from ingest.ranking import Scores
from ingest.schema import json_array, live, one_state
from ingest.segments import fill_lengths, segments
from ingest.tokens import Tokenizer
from ingest.types import Hit

# Postings with their scores that are kept for the next question, 12 bytes each.
_REMEMBERED = 2_000_000

_POSTINGS = """
  SELECT wanted.value, segments.first, postings.count, postings.rows, postings.weights
  FROM json_each(:terms) AS wanted CROSS JOIN segments CROSS JOIN postings
  ON postings.segment = segments.id AND postings.term = wanted.value
  WHERE segments.first <= :last
"""
_PHRASE = f"""
  SELECT rowid, -{bm25.SCORE} FROM lexical WHERE lexical MATCH ? ORDER BY rowid
"""
_EXACT = f"""
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
class _Lengths:
    """Of shape (last row + 1,): which rows are of the generation, how long they and all are."""

    live: npt.NDArray[np.bool_]
    words: Integers
    norms: bm25.Numbers
    totals: Totals


class Words:
    """The words of one generation, whose chunks are `rows`. Safe to share by threads."""

    def __init__(self, generation: int, rows: Integers) -> None:
        self._generation = generation
        self._rows = rows
        self._last = int(rows.max(initial=0))
        self._lengths: _Lengths | None = None
        self._tokenizer = Tokenizer()
        self._known: OrderedDict[str, Scores] = OrderedDict()
        self._lock = Lock()

    def best(
        self,
        connection: sqlite3.Connection,
        wanted: Sequence[str],
        k: int,
        mask: bytes | None = None,
        rows: Sequence[int] | None = None,
    ) -> list[Hit]:
        """The k best chunks for any of these `phrases`; scores are positive, larger is better.

        With a mask (a byte for each row, 1 for yes) or rows, only such chunks are found.
        """
        with one_state(connection):
            lengths = self._read_lengths(connection)
            if lengths is None:
                return exact(connection, self._generation, wanted, k, mask, rows)
            scored = self._scored(connection, wanted, lengths)
        said = [(scored[phrase], times) for phrase, times in Counter(wanted).items()]
        if rows is not None:
            return ranking.among(said, rows, k, mask)
        return ranking.best(said, self._last, k, mask)

    def _read_lengths(self, connection: sqlite3.Connection) -> _Lengths | None:
        """None where some chunk has no postings yet."""
        if self._lengths is None:
            found = segments(connection)
            if not found or found[-1].last < self._last:
                return None
            words = np.zeros(max(self._last, found[-1].last) + 1, dtype=np.int64)
            for segment in found:
                fill_lengths(connection, segment, words[segment.first :])
            words = words[: self._last + 1]
            flags = np.zeros(self._last + 1, dtype=bool)
            flags[self._rows] = True
            count = len(self._rows)
            totals = Totals(count, float(words[flags].sum()) / max(1, count))
            self._lengths = _Lengths(flags, words, totals.norms(words), totals)
        return self._lengths

    def _scored(
        self, connection: sqlite3.Connection, wanted: Sequence[str], lengths: _Lengths
    ) -> dict[str, Scores]:
        """Each phrase's rows with the scores that it gives them."""
        with self._lock:
            known = {phrase: self._known[phrase] for phrase in wanted if phrase in self._known}
        new = [phrase for phrase in dict.fromkeys(wanted) if phrase not in known]
        words = dict(zip(new, self._tokenizer.words(new), strict=True)) if new else {}
        single = {said[0] for said in words.values() if len(said) == 1}
        by_word = self._by_word(connection, sorted(single), lengths) if single else {}
        for phrase, said in words.items():
            if len(said) == 1:
                known[phrase] = by_word.get(said[0], ranking.NONE)
            else:
                known[phrase] = self._by_phrase(connection, phrase, lengths)
        self._remember(known)
        return known

    def _remember(self, known: Mapping[str, Scores]) -> None:
        with self._lock:
            for phrase, scores in known.items():
                self._known[phrase] = scores
                self._known.move_to_end(phrase)
            held = sum(len(scores.rows) + 1 for scores in self._known.values())
            while held > _REMEMBERED:
                held -= len(self._known.popitem(last=False)[1].rows) + 1

    def _by_word(
        self, connection: sqlite3.Connection, words: Sequence[str], lengths: _Lengths
    ) -> dict[str, Scores]:
        values = {"terms": json.dumps(words), "last": self._last}
        lists: defaultdict[str, list[Stored]] = defaultdict(list)
        for word, *item in connection.execute(_POSTINGS, values):
            lists[word].append(Stored(*item))
        found = {}
        for word, parts in lists.items():
            parts.sort(key=lambda part: part.first)
            postings = decoded(parts)
            found[word] = self._weighed(postings.rows, postings.weights / 2, lengths)
        return found

    def _by_phrase(self, connection: sqlite3.Connection, phrase: str, lengths: _Lengths) -> Scores:
        """FTS5 tells a phrase's score alone, by its own statistics: how often it is follows."""
        found = np.array(connection.execute(_PHRASE, (phrase,)).fetchall(), dtype=np.float64)
        theirs = Totals.of(connection)
        rows, scores = found.reshape(-1, 2).T
        some = rows <= self._last
        numbers = rows[some].astype(np.int64)
        norms = theirs.norms(lengths.words[numbers])
        said = bm25.frequencies(scores[some] / theirs.idf(len(rows)), norms)
        return self._weighed(numbers, said, lengths)

    def _weighed(self, rows: Integers, said: bm25.Numbers, lengths: _Lengths) -> Scores:
        """`said` of shape (n,) is how often something is in these rows."""
        end = int(np.searchsorted(rows, self._last, side="right"))
        there = lengths.live[rows[:end]]
        if not there.all() or end < len(rows):
            rows, said = rows[:end][there], said[:end][there]
        weight = lengths.totals.idf(len(rows))
        scores = weight * bm25.share(said, lengths.norms[rows])
        return Scores(rows, scores.astype(np.float32))


def exact(
    connection: sqlite3.Connection,
    generation: int,
    wanted: Sequence[str],
    k: int,
    mask: bytes | None = None,
    rows: Sequence[int] | None = None,
) -> list[Hit]:
    """As `Words.best`, by FTS5, with the statistics of all rows that lie in the base."""
    query = " OR ".join(wanted)
    among, values = "", dict[str, Any](query=query, g=generation, k=k)
    if mask is not None:
        among, values["mask"] = among + _MASKED, mask
    if rows is not None:
        among, values["rows"] = among + _THESE, json_array(rows)
    found = connection.execute(_EXACT.format(among=among), values)
    return [Hit(row, -score) for row, score in found]
