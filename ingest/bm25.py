"""BM25 of a few chunks, computed as FTS5 computes it but without its walk over every posting.

FTS5 counts anew, at each search, in how many rows each phrase is. Here the counts are given, and
only the texts of the chunks that are asked about are cut into words, by the same tokenizer.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ingest.schema import TOKENIZER, json_array, live
from ingest.types import Hit

# Of title, headings and text.
WEIGHTS = (2.0, 1.5, 1.0)
SCORE = f"bm25(lexical, {', '.join(map(str, WEIGHTS))})"

# Those of FTS5 (ext/fts5/fts5_aux.c), which sets no option for them.
_K1, _B, _LEAST_IDF = 1.2, 0.75, 1e-6

_TEXTS = f"""
  SELECT source.* FROM chunks JOIN lexical_source AS source ON source.row = chunks.row
  WHERE chunks.row IN (SELECT value FROM json_each(:rows)) AND {live("chunks")}
"""
_SCRATCH = f"""
  CREATE VIRTUAL TABLE words USING fts5 (title, headings, text, tokenize='{TOKENIZER}');
  CREATE VIRTUAL TABLE places USING fts5vocab (words, instance);
"""
_COLUMNS = {"title": 0, "headings": 1, "text": 2}

# A chunk and a column, and where in it a word stands.
Places = Mapping[tuple[int, int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows the word index holds, and how many words a row has on average."""

    rows: int
    length: float

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Totals:
        """Read from where FTS5 keeps them: its averages are record 1."""
        (block,) = connection.execute("SELECT block FROM lexical_data WHERE id = 1").fetchone()
        rows, *words = _varints(block)
        return cls(rows, sum(words) / max(1, rows))

    def idf(self, count: int) -> float:
        """The weight of what is in `count` rows."""
        found = math.log((self.rows - count + 0.5) / (count + 0.5)) if count <= self.rows else 0.0
        return found if found > 0 else _LEAST_IDF

    def share(self, frequency: float, length: int) -> float:
        """What part of its weight a phrase gives to a row of so many words."""
        norm = _K1 * (1 - _B + _B * length / self.length)
        return frequency * (_K1 + 1) / (frequency + norm)


def scored(
    connection: sqlite3.Connection,
    generation: int,
    counts: Sequence[tuple[str, int]],
    rows: Sequence[int],
) -> list[Hit]:
    """Those of the rows that have any of the phrases, best first.

    `counts` are phrases and in how many rows of the index each is.
    """
    totals, phrases = Totals.of(connection), dict(counts)
    texts = connection.execute(_TEXTS, {"rows": json_array(rows), "g": generation}).fetchall()
    lengths = _lengths(connection, rows)
    scores: dict[int, float] = defaultdict(float)
    for phrase, found in _frequencies(texts, list(phrases)).items():
        weight = totals.idf(phrases[phrase]) * sum(phrase == said for said, _ in counts)
        for row, frequency in found.items():
            scores[row] += weight * totals.share(frequency, lengths[row])
    return sorted((Hit(*item) for item in scores.items()), key=lambda hit: (-hit.score, hit.row))


def _lengths(connection: sqlite3.Connection, rows: Sequence[int]) -> dict[int, int]:
    found = connection.execute(
        "SELECT id, sz FROM lexical_docsize WHERE id IN (SELECT value FROM json_each(?))",
        (json_array(rows),),
    )
    return {row: sum(_varints(sizes)) for row, sizes in found}


def _frequencies(
    texts: Iterable[tuple[int, str, str, str]], phrases: Sequence[str]
) -> dict[str, dict[int, float]]:
    """How often each phrase is in each row that has it, by the weights of the columns."""
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(_SCRATCH)
        insert = "INSERT INTO words (rowid, title, headings, text) VALUES (?,?,?,?)"
        # Rows count from 1, so phrases have room below.
        asked = [(-at, "", "", phrase) for at, phrase in enumerate(phrases, start=1)]
        scratch.executemany(insert, asked)
        words = _words(scratch, len(phrases))
        scratch.execute("DELETE FROM words")
        scratch.executemany(insert, texts)
        places = {word: _places(scratch, word) for word in {w for each in words for w in each}}
    return {
        phrase: _weighed([places[word] for word in each])
        for phrase, each in zip(phrases, words, strict=True)
    }


def _words(scratch: sqlite3.Connection, count: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(count)]
    for row, word in scratch.execute("SELECT doc, term FROM places ORDER BY doc, offset"):
        found[-row - 1].append(word)
    return found


def _places(scratch: sqlite3.Connection, word: str) -> Places:
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, column, offset in scratch.execute(
        "SELECT doc, col, offset FROM places WHERE term = ? ORDER BY doc, col, offset", (word,)
    ):
        found[row, _COLUMNS[column]].append(offset)
    return found


def _weighed(words: Sequence[Places]) -> dict[int, float]:
    """The rows in which these words follow each other, and how often they do."""
    found: dict[int, float] = defaultdict(float)
    if not words:
        return found
    first, *others = words
    if not others:
        for (row, column), offsets in first.items():
            found[row] += WEIGHTS[column] * len(offsets)
        return found
    for place, offsets in first.items():
        following = [other.get(place, ()) for other in others]
        whole = sum(
            all(_has(beside, offset + step) for step, beside in enumerate(following, start=1))
            for offset in offsets
        )
        if whole:
            row, column = place
            found[row] += WEIGHTS[column] * whole
    return found


def _has(offsets: Sequence[int], offset: int) -> bool:
    at = bisect_left(offsets, offset)
    return at < len(offsets) and offsets[at] == offset


def _varints(block: bytes) -> Iterator[int]:
    """SQLite's variable-length numbers: seven bits a byte, the high bit says that more follow."""
    value, length = 0, 0
    for byte in block:
        length += 1
        # The ninth byte of a number has eight.
        value = value << 8 | byte if length == 9 else value << 7 | byte & 0x7F
        if byte < 0x80 or length == 9:
            yield value
            value, length = 0, 0
