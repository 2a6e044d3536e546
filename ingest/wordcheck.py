"""Do the postings of a base say what its chunks say? Reads all of both.

Each row is summed up in a number: of every word, a hash of it times how often it is there. Two
rows of words with the same sum are the same, but for a chance of one in 2**64.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt

from ingest.postings import DamagedPostings, Integers, Postings
from ingest.schema import live, one_state
from ingest.segments import fill_lengths, portion, segments, stored
from ingest.tokens import Tokenizer

Sums = npt.NDArray[np.uint64]


def wrong(connection: sqlite3.Connection, generation: int) -> Iterator[str]:
    """What is wrong with the postings of a generation's chunks, in lines.

    Chunks after the last that has postings are no mistake: the next job adds theirs.
    """
    try:
        with one_state(connection):
            sums, lengths = _said(connection)
    except (DamagedPostings, IndexError, ValueError) as error:
        yield f"postings cannot be read: {error}"
        return
    last = len(lengths) - 1
    rows = _live(connection, generation)
    rows = rows[rows <= last]
    if not len(rows):
        return
    expected, words = _expected(connection, last)
    for what, bad in (
        ("words", sums[rows] != expected[rows]),
        ("number of words", lengths[rows] != words[rows]),
    ):
        if bad.any():
            first = rows[bad][0]
            yield f"postings: the {what} of {bad.sum()} chunks, the first of them row {first}"


def _said(connection: sqlite3.Connection) -> tuple[Sums, Integers]:
    """Sums and numbers of words by row, from the postings; of shape (last row + 1,)."""
    found = segments(connection)
    last = found[-1].last if found else 0
    lengths = np.zeros(last + 1, dtype=np.int64)
    for segment in found:
        fill_lengths(connection, segment, lengths[segment.first :])
    sums = np.zeros(last + 1, dtype=np.uint64)
    for terms, postings in stored(connection, found):
        _add(sums, terms, postings)
    return sums, lengths


def _live(connection: sqlite3.Connection, generation: int) -> Integers:
    found = connection.execute(
        f"SELECT row FROM chunks WHERE {live('chunks')} ORDER BY row", {"g": generation}
    )
    return np.fromiter((row for (row,) in found), dtype=np.int64)


def _expected(connection: sqlite3.Connection, last: int) -> tuple[Sums, Integers]:
    """Sums and numbers of words by row, from the chunks' texts."""
    sums, words = np.zeros(last + 1, dtype=np.uint64), np.zeros(last + 1, dtype=np.int64)
    after = 0
    with closing(Tokenizer()) as tokenizer:
        while after < last and (part := portion(connection, tokenizer, after)) is not None:
            end = part.first + len(part.lengths)
            room = words[part.first : end]
            room[:] = part.lengths[: len(room)]
            _add(sums, part.terms, part.postings)
            after = end - 1
    return sums, words


def _add(sums: Sums, terms: Sequence[str], postings: Postings) -> None:
    hashes = np.array([_hash(term) for term in terms], dtype=np.uint64)
    each = np.repeat(hashes, postings.counts) * postings.weights.astype(np.uint64)
    known = (postings.rows >= 0) & (postings.rows < len(sums))
    np.add.at(sums, postings.rows[known], each[known])


def _hash(term: str) -> int:
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")
