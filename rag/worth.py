"""What each sentence of the passages is worth for a question: the best go into the prompt.

A sentence is judged with what it can't be understood without: its heading, and for a row of a table
the names of the columns. Where one points back ("This code appears if ..."), the sentence before is
wanted too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingest.types import Embedder
from rag.claims import content_words
from rag.prompt import Unit, smooth
from rag.types import Passage

# How a sentence's worth is put together: meaning, shared words, and its passage's own rank.
MEANING, WORDS, RANK = 0.7, 0.3, 0.15
# What a sentence is worth for the sake of the one after it that points back.
POINTED_AT = 0.9

_POINTS_BACK = re.compile(
    r"\s*(?:this|that|these|those|it|they|he|she|its|their|his|her|such|both"
    r"|the (?:same|latter|former))\b",
    re.IGNORECASE,
)


def valued(
    question: str, passages: Sequence[Passage], pieces: Sequence[Unit], embedder: Embedder
) -> tuple[tuple[Unit, ...], float]:
    """The units with their values, and the best plain value (before neighbours share in it).

    `pieces` are in the order of the passages, and of the text in each.
    """
    if not pieces:
        return (), 0.0
    headers = _headers(pieces)
    texts = [
        _in_context(unit, passages[unit.passage], header)
        for unit, header in zip(pieces, headers, strict=True)
    ]
    vectors = embedder.embed([question, *texts])
    near = vectors[1:] @ vectors[0]
    wanted = content_words(question)
    plain = [
        MEANING * float(near[i]) + WORDS * _share(wanted, texts[i]) for i in range(len(pieces))
    ]
    ranked = [plain[i] + RANK * passages[unit.passage].score for i, unit in enumerate(pieces)]
    values: list[float] = []
    for index in range(len(passages)):
        mine = [i for i, unit in enumerate(pieces) if unit.passage == index]
        values += _together([ranked[i] for i in mine], [pieces[i].text for i in mine])
    units = tuple(replace(unit, value=value) for unit, value in zip(pieces, values, strict=True))
    return units, max(plain)


def _together(values: Sequence[float], texts: Sequence[str]) -> list[float]:
    """The values of one passage's sentences, raised where another one needs them."""
    result = smooth(values)
    for index in range(len(texts) - 1, 0, -1):
        if _POINTS_BACK.match(texts[index]):
            result[index - 1] = max(result[index - 1], POINTED_AT * result[index])
    # Last: a table's first row is worth as much as its best, for without it they mean nothing.
    for row, header in enumerate(_tables(texts)):
        if header is not None:
            result[header] = max(result[header], result[row])
    return result


def _tables(texts: Sequence[str]) -> list[int | None]:
    """For each text the place of the first row of the table that it is a row of, if it is one."""
    firsts: list[int | None] = []
    for index, text in enumerate(texts):
        before = firsts[-1] if firsts else None
        first = index if before is None else before
        firsts.append(first if _is_row(text) else None)
    return firsts


def _headers(pieces: Sequence[Unit]) -> list[str]:
    """For each unit the names of its columns: "" for what is no row, or names them itself."""
    found: list[str] = []
    for passage in dict.fromkeys(unit.passage for unit in pieces):
        texts = [unit.text for unit in pieces if unit.passage == passage]
        for row, first in enumerate(_tables(texts)):
            named = first is None or first == row or _names_columns(texts[row], texts[first])
            found.append("" if first is None or named else texts[first].strip())
    return found


def _names_columns(row: str, header: str) -> bool:
    """Is it "Code: W09 | Meaning: ..." below "Code | Meaning"?"""
    column = header.strip(" |").partition("|")[0].strip()
    return bool(column) and f"{column}:" in row


def _is_row(text: str) -> bool:
    return text.count("|") >= 2 or " | " in text


def _in_context(unit: Unit, passage: Passage, header: str) -> str:
    place = passage.headings[-1] if passage.headings else passage.title
    text = f"{header} {unit.text}" if header else unit.text
    return f"{place}: {text}" if place else text


def _share(wanted: frozenset[str], text: str) -> float:
    return len(wanted & content_words(text)) / len(wanted) if wanted else 0.0
