"""Words as FTS5 has them: to cut a text in pieces first changes nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.schema import TOKENIZER
from ingest.tokens import Tokenizer, pieces

CHOSEN = (
    "winches",
    "E-42",
    "Größe",
    "don’t",
    "naïve",
    "e\u0301te\u0301",
    "\u0301",
    "\x00",
    "東京",
    "ﬁ",
)
TEXTS = st.lists(st.text(max_size=12) | st.sampled_from(CHOSEN), max_size=12).map(" ".join)


def by_fts5(text: str) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(
            f"CREATE VIRTUAL TABLE t USING fts5 (text, tokenize='{TOKENIZER}');"
            "CREATE VIRTUAL TABLE v USING fts5vocab (t, instance);"
        )
        scratch.execute("INSERT INTO t VALUES (?)", (text,))
        return [word for (word,) in scratch.execute("SELECT term FROM v ORDER BY offset")]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_pieces_have_the_words_of_the_whole(texts: list[str]) -> None:
    with closing(Tokenizer()) as tokenizer:
        for _ in range(2):
            assert tokenizer.words(texts) == [tuple(by_fts5(text)) for text in texts]
        for text in texts:
            words = tokenizer.words(pieces(text))
            assert [word for each in words for word in each] == by_fts5(text)


def test_characters_of_all_scripts() -> None:
    """Two letters around each, which it parts or joins, and one that it follows."""
    codes = [*range(0x3100), *range(0x3100, 0x20000, 7)]
    characters = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    text = " ".join(f"a{c}b{c}" for c in characters)
    with closing(Tokenizer()) as tokenizer:
        words = tokenizer.words(pieces(text))
        (whole,) = tokenizer.words([text])
    assert Counter(word for each in words for word in each) == Counter(whole)


def test_a_very_long_word() -> None:
    with closing(Tokenizer()) as tokenizer:
        assert [len(each) for each in tokenizer.words(["a" * 100_000, "b", "c d"])] == [1, 1, 2]
