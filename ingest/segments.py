"""The postings of a base: built from its chunks, merged as they become many, made anew.

A segment holds the postings and lengths of a range of chunk rows. A job adds one for the rows
since the last, written in portions, so that memory stays flat; any job's rows, a killed one's too.
Newer segments are merged with the one before as soon as they have a quarter of its rows: their
number stays below the logarithm of the rows, and so does how often a row is written. (Tiers as in
O'Neil et al., "The log-structured merge-tree", 1996.) What is no chunk any more is left out then;
before, readers pass over it.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from itertools import count, groupby
from operator import itemgetter

import numpy as np

from ingest.bm25 import DOUBLED
from ingest.postings import Integers, Postings, Stored, decoded, encoded
from ingest.schema import transaction
from ingest.tokens import Tokenizer, Words, pieces

# Words that are held at a time, about 130 bytes each; a list that is stored takes as much as two.
_WORDS, _LIST = 80_000, 2
_RATIO = 4

_TEXTS = "SELECT row, title, headings, text FROM lexical_source WHERE row > ? ORDER BY row"
_LISTS = "SELECT term, ?, count, rows, weights FROM postings WHERE segment = ? ORDER BY term"


@dataclass(frozen=True, slots=True)
class Segment:
    """The rows `first` to `last`, of which so many were there when it was written."""

    number: int
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Portion:
    """Sorted terms, their postings, and the lengths of the rows from `first` on."""

    first: int
    rows: int
    terms: Sequence[str]
    postings: Postings
    lengths: Integers


def segments(connection: sqlite3.Connection) -> list[Segment]:
    """All of a base, by their rows. One that was written before there were any has none."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name='segments'").fetchone()
    if known is None:
        return []
    found = connection.execute("SELECT id, first, last, rows FROM segments ORDER BY first")
    return [Segment(*row) for row in found]


def extend(connection: sqlite3.Connection) -> None:
    """Add the postings of all chunks that have none yet, in transactions that bound memory."""
    with closing(Tokenizer()) as tokenizer:
        while True:
            with transaction(connection):
                if not _add(connection, tokenizer):
                    break
    tail = _tail(segments(connection))
    if len(tail) > 1:
        with transaction(connection):
            _merge(connection, tail)


def rebuild(connection: sqlite3.Connection) -> None:
    """Make all postings anew from the chunks; inside a transaction."""
    connection.execute("DELETE FROM postings")
    connection.execute("DELETE FROM segments")
    with closing(Tokenizer()) as tokenizer:
        while _add(connection, tokenizer):
            pass
    compact(connection)


def compact(connection: sqlite3.Connection) -> None:
    """Write all postings anew, without what is no chunk any more; inside a transaction."""
    _merge(connection, segments(connection))


def _tail(found: Sequence[Segment]) -> Sequence[Segment]:
    """The newest segments, as far back as those after one have a quarter of its rows."""
    rows, at = 0, len(found)
    while at and (not rows or found[at - 1].rows < _RATIO * rows):
        at -= 1
        rows += max(1, found[at].rows)
    return found[at:]


def _add(connection: sqlite3.Connection, tokenizer: Tokenizer) -> bool:
    (covered,) = connection.execute("SELECT coalesce(max(last), 0) FROM segments").fetchone()
    found = portion(connection, tokenizer, covered)
    if found is None:
        return False
    last = found.first + len(found.lengths) - 1
    number = _segment(connection, found.first, last, found.rows, found.lengths)
    _write(connection, number, found.first, found.terms, found.postings)
    return True


def portion(connection: sqlite3.Connection, tokenizer: Tokenizer, after: int) -> Portion | None:
    """The postings of the next chunks after a row, as many as memory should hold; None at the end.

    Tokenizing is done once for each different piece of the texts.
    """
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    said, sizes, rows = array("i"), array("i"), array("q")
    for row, *columns in connection.execute(_TEXTS, (after,)):
        rows.append(row)
        for text in columns:
            before = len(said)
            said.extend(map(numbers.__getitem__, pieces(text)))
            sizes.append(len(said) - before)
        if len(said) >= _WORDS:
            break
    if not rows:
        return None
    places = np.repeat(np.array(rows) - rows[0], len(DOUBLED))
    weights = np.tile(DOUBLED, len(rows))
    return _portion(
        (rows[0], rows[-1], len(rows)),
        tokenizer.words(list(numbers)),
        np.array(said),
        np.repeat(places, sizes),
        np.repeat(weights, sizes),
    )


def _portion(
    ends: tuple[int, int, int],
    words: Sequence[Words],
    said: Integers,
    places: Integers,
    weights: Integers,
) -> Portion:
    """`said` of shape (n,) are numbers of `words`, each with its place and its weight."""
    first, last, rows = ends
    span = last - first + 1
    terms = sorted({term for each in words for term in each})
    known = {term: number for number, term in enumerate(terms)}
    flat = np.array([known[term] for each in words for term in each], dtype=np.int64)
    sizes = np.array([len(each) for each in words], dtype=np.int64)
    begin, times = (np.cumsum(sizes) - sizes)[said], sizes[said]
    step = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    numbers = flat[np.repeat(begin, times) + step]
    places, weights = np.repeat(places, times), np.repeat(weights, times)
    lengths = np.bincount(places, minlength=span)
    # Terms, rows and weights in one number sort at once.
    keys = np.sort((numbers * span + places) << 3 | weights)
    heads = np.flatnonzero(np.diff(keys >> 3, prepend=-1))
    sums = np.add.reduceat(keys & 7, heads) if len(keys) else keys
    owners, at = np.divmod(keys[heads] >> 3, span)
    counts = np.bincount(owners, minlength=len(terms))
    return Portion(first, rows, terms, Postings(counts, at + first, sums), lengths)


def _segment(
    connection: sqlite3.Connection, first: int, last: int, rows: int, lengths: Integers
) -> int:
    blob = lengths.astype("<u4").tobytes()
    values = (first, last, rows, blob)
    number = connection.execute(
        "INSERT INTO segments (first, last, rows, lengths) VALUES (?,?,?,?)", values
    ).lastrowid
    assert number is not None
    return number


def _write(
    connection: sqlite3.Connection,
    number: int,
    first: int,
    terms: Sequence[str],
    postings: Postings,
) -> None:
    if not terms:
        return
    lists = zip(terms, encoded(postings, first), strict=True)
    connection.executemany(
        "INSERT INTO postings VALUES (?,?,?,?,?)",
        ((number, term, item.count, item.rows, item.weights) for term, item in lists),
    )


def stored(
    connection: sqlite3.Connection, found: Sequence[Segment]
) -> Iterator[tuple[list[str], Postings]]:
    """The postings of these segments, one list a term, terms in order, so many at a time."""
    lists = [connection.execute(_LISTS, (segment.first, segment.number)) for segment in found]
    terms: list[str] = []
    parts: list[Stored] = []
    owners: list[int] = []
    held = 0
    for term, group in groupby(merge(*lists), key=itemgetter(0)):
        if held >= _WORDS:
            yield terms, _together(parts, owners)
            terms, parts, owners, held = [], [], [], 0
        for _, first, size, rows, weights in group:
            owners.append(len(terms))
            parts.append(Stored(first, size, rows, weights))
            held += size + _LIST
        terms.append(term)
    if terms:
        yield terms, _together(parts, owners)


def _together(parts: Sequence[Stored], owners: Sequence[int]) -> Postings:
    return decoded(parts).joined(np.array(owners, dtype=np.int64), owners[-1] + 1)


def _merge(connection: sqlite3.Connection, found: Sequence[Segment]) -> None:
    """Put neighbouring segments into one; it holds what is a chunk still."""
    if not found:
        return
    first, last = found[0].first, found[-1].last
    rows = _there(connection, first, last)
    if len(rows):
        there = np.zeros(last - first + 1, dtype=bool)
        there[rows - first] = True
        lengths = np.where(there, _lengths(connection, found), 0)
        number = _segment(connection, int(rows[0]), last, len(rows), lengths[rows[0] - first :])
        for terms, postings in stored(connection, found):
            left = postings.kept(there[postings.rows - first])
            some = np.flatnonzero(left.counts)
            left = Postings(left.counts[some], left.rows, left.weights)
            _write(connection, number, int(rows[0]), [terms[at] for at in some], left)
    for segment in found:
        connection.execute("DELETE FROM postings WHERE segment = ?", (segment.number,))
        connection.execute("DELETE FROM segments WHERE id = ?", (segment.number,))


def _there(connection: sqlite3.Connection, first: int, last: int) -> Integers:
    found = connection.execute(
        "SELECT row FROM chunks WHERE row BETWEEN ? AND ? ORDER BY row", (first, last)
    )
    return np.fromiter((row for (row,) in found), dtype=np.int64)


def _lengths(connection: sqlite3.Connection, found: Sequence[Segment]) -> Integers:
    first, last = found[0].first, found[-1].last
    lengths = np.zeros(last - first + 1, dtype=np.int64)
    for segment in found:
        fill_lengths(connection, segment, lengths[segment.first - first :])
    return lengths


def fill_lengths(connection: sqlite3.Connection, segment: Segment, into: Integers) -> None:
    """Write the number of words of each row of a segment to the front of an array."""
    (blob,) = connection.execute(
        "SELECT lengths FROM segments WHERE id = ?", (segment.number,)
    ).fetchone()
    found = np.frombuffer(blob, dtype="<u4")
    into[: len(found)] = found
