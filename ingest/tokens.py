"""Texts to words as the word index has them: cut, folded and stemmed by FTS5's own tokenizer.

FTS5 hands out no words but those of an index, so texts go through a scratch one in memory.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from threading import Lock

from ingest.schema import TOKENIZER

# What the tokenizer never cuts apart, or joins: it parts at all of ASCII but letters and digits.
_PIECE = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+")
_SCRATCH = f"""
  CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize='{TOKENIZER}');
  CREATE VIRTUAL TABLE places USING fts5vocab (words, instance);
"""
_INSERT = "INSERT INTO words (rowid, text) VALUES (?, ?)"
# The row of all pieces that are one word for certain; others have rows of their own.
_PLAIN = -1

Words = tuple[str, ...]


def pieces(text: str) -> list[str]:
    """The parts of a text whose words, each by itself, are the words of the whole."""
    return _PIECE.findall(text)


class Tokenizer:
    """Safe to share by threads, which take turns."""

    def __init__(self) -> None:
        self._scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._scratch.executescript(_SCRATCH)
        self._lock = Lock()

    def close(self) -> None:
        """Free what SQLite holds."""
        self._scratch.close()

    def words(self, texts: Sequence[str]) -> list[Words]:
        """The words of each text, in their order."""
        plain = [at for at, text in enumerate(texts) if text.isascii() and text.isalnum()]
        told = set(plain)
        others = [(at, text) for at, text in enumerate(texts) if at not in told]
        with self._lock:
            self._scratch.execute(_INSERT, (_PLAIN, " ".join(texts[at] for at in plain)))
            self._scratch.executemany(_INSERT, others)
            found = self._scratch.execute("SELECT doc, offset, term FROM places").fetchall()
            self._scratch.execute("INSERT INTO words (words) VALUES ('delete-all')")
        return _by_text(len(texts), plain, found)


def _by_text(
    count: int, plain: Sequence[int], found: Sequence[tuple[int, int, str]]
) -> list[Words]:
    words: list[Words] = [()] * count
    rest: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for doc, offset, term in found:
        if doc == _PLAIN:
            words[plain[offset]] = (term,)
        else:
            rest[doc].append((offset, term))
    for doc, said in rest.items():
        words[doc] = tuple(term for _, term in sorted(said))
    return words
