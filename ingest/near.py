"""Near-duplicates: contents whose texts are almost the same belong to one family.

A family is a star: every member is near to the one that it is named after, so that long chains
of small changes do not make strangers relatives. Only that one can be found by its bands, and the
cost of a content stays the same however many copies it has. Sketches are MinHash signatures of a
text's word triples (Broder, "On the resemblance and containment of documents", 1997), looked up
by banding (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

Digest = npt.NDArray[np.uint32]

BANDS, ROWS = 24, 5
PERMUTATIONS = BANDS * ROWS
THRESHOLD = 0.7
SEED = 1
_SHINGLE = 3
# A signature of a few triples says little, and so short a text is one passage anyway.
_FEWEST_WORDS = 24
_AT_ONCE = 50_000
_CANDIDATES = 64

# Scripts without spaces count by the character.
_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_DENSE}]|[^\W{_DENSE}]+")

_MEMBERS = """
  SELECT chunks.row, mine.family FROM chunks JOIN sketches AS mine ON mine.content = chunks.content
  WHERE chunks.row IN (SELECT value FROM json_each(?)) AND EXISTS
    (SELECT 1 FROM sketches AS other
     WHERE other.family = mine.family AND other.content <> mine.content)
"""


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case; characters where a script has no spaces."""
    return (match.group() for match in _WORD.finditer(text.lower()))


def shingles(text: str) -> Iterator[str]:
    """Every run of three words."""
    last: list[str] = []
    for word in words(text):
        last.append(word)
        if len(last) == _SHINGLE:
            yield " ".join(last)
            del last[0]


def sketch(text: str) -> Digest | None:
    """The MinHash signature of shape (120,), uint32; None for a text of under 24 words."""
    from rensa import RMinHash

    found = shingles(text)
    part = list(islice(found, _AT_ONCE))
    if len(part) < _FEWEST_WORDS - _SHINGLE + 1:
        return None
    minhash = RMinHash(PERMUTATIONS, SEED)
    while part:
        minhash.update(part)
        part = list(islice(found, _AT_ONCE))
    return np.array(minhash.digest(), dtype="<u4")


def resemblance(one: Digest, other: Digest) -> float:
    """The estimated Jaccard similarity of two texts' word triples, 0 to 1."""
    return float(np.mean(one == other))


def join(connection: sqlite3.Connection, content: int, text: str) -> None:
    """Put a new content into the family it resembles most, or found one. In a transaction."""
    digest = sketch(text)
    if digest is None:
        return
    hashes = _band_hashes(digest)
    family = _nearest(connection, digest, hashes)
    connection.execute(
        "INSERT INTO sketches VALUES (?, ?, ?)", (content, family or content, digest.tobytes())
    )
    if family is None:
        _show(connection, content, hashes)


def _nearest(connection: sqlite3.Connection, digest: Digest, hashes: Sequence[int]) -> int | None:
    rows = connection.execute(
        "SELECT family, digest FROM sketches WHERE content IN (SELECT content FROM bands"
        " WHERE hash IN (SELECT value FROM json_each(?)) GROUP BY content"
        " ORDER BY count(*) DESC, content LIMIT ?)",
        (json.dumps(hashes), _CANDIDATES),
    ).fetchall()
    near = [(resemblance(digest, np.frombuffer(blob, "<u4")), -family) for family, blob in rows]
    best = max((item for item in near if item[0] >= THRESHOLD), default=None)
    return None if best is None else -best[1]


def _band_hashes(digest: Digest) -> list[int]:
    """One number a band. The library's algorithm is part of it: others must never meet."""
    from rensa import RMinHash

    recipe = f"{RMinHash.ALGORITHM_VERSION} {SEED} {_SHINGLE}".encode()
    parts = digest.reshape(BANDS, ROWS)
    return [
        int.from_bytes(
            hashlib.blake2b(b"%s %d " % (recipe, at) + part.tobytes(), digest_size=8).digest(),
            "little",
            signed=True,
        )
        for at, part in enumerate(parts)
    ]


def _show(connection: sqlite3.Connection, content: int, hashes: Sequence[int]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO bands VALUES (?, ?)", [(number, content) for number in hashes]
    )


def leave(connection: sqlite3.Connection, contents: Sequence[int]) -> None:
    """Take contents out of their families; a family that loses its first gets the next one.

    In the transaction that removes them. Nothing of their texts' sketches stays.
    """
    values = (json.dumps(list(contents)),)
    gone = "(SELECT value FROM json_each(?))"
    connection.execute(f"DELETE FROM bands WHERE content IN {gone}", values)
    connection.execute(f"DELETE FROM sketches WHERE content IN {gone}", values)
    orphaned = connection.execute(
        f"SELECT family, min(content) FROM sketches WHERE family IN {gone} GROUP BY family", values
    ).fetchall()
    for family, heir in orphaned:
        connection.execute("UPDATE sketches SET family=? WHERE family=?", (heir, family))
        (blob,) = connection.execute(
            "SELECT digest FROM sketches WHERE content=?", (heir,)
        ).fetchone()
        _show(connection, heir, _band_hashes(np.frombuffer(blob, "<u4")))


def families(connection: sqlite3.Connection, rows: Sequence[int]) -> dict[int, int]:
    """Those chunks whose document has near-duplicates, with the number of its family."""
    if not known(connection):
        return {}
    return dict(connection.execute(_MEMBERS, (json.dumps([int(row) for row in rows]),)).fetchall())


def known(connection: sqlite3.Connection) -> bool:
    """Whether the base was written since families exist."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name='sketches'").fetchone()
    return found is not None
