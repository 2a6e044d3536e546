"""One question to each file, and how often a search finds the file that it came from.

A side that embeds half of each file is fast: a speed means something beside this figure alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np

from evals.bench.texts import SEED
from ingest.sentences import split_sentences

TOP = 10
WORDS = 6

Search = Callable[[str, int], Sequence[str]]
"""A question and a number of passages to the names of their files, best first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the name of the file that it is about."""

    text: str
    file: str


def questions(folder: Path, seed: int = SEED) -> list[Asked]:
    """A question to each Markdown file: words of two neighbouring sentences anywhere in its prose.

    Anywhere, because what is cut off unseen is mostly at the end. Single sentences may stand in
    several files; headings, which name a file, are not used.
    """
    random = np.random.default_rng(seed)
    asked = []
    for path in sorted(folder.rglob("*.md")):
        pairs = _pairs(path.read_text(encoding="utf-8"))
        if pairs:
            first, second = pairs[int(random.integers(len(pairs)))]
            asked.append(Asked(f"{_words(first)} {_words(second)}?", path.name))
    return asked


def found(search: Search, asked: Sequence[Asked]) -> dict[str, float]:
    """Share of questions whose file is first, or among the first TOP passages."""
    ranked = [(search(question.text, TOP), question.file) for question in asked]
    if not ranked:
        return {}
    return {
        "source_is_first": fmean(file in files[:1] for files, file in ranked),
        f"source_in_{TOP}": fmean(file in files[:TOP] for files, file in ranked),
    }


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for block in text.split("\n\n"):
        if not block.startswith("#"):
            sentences = [block[start:end] for start, end in split_sentences(block)]
            pairs.extend(pairwise(sentences))
    return pairs


def _words(sentence: str) -> str:
    return " ".join(sentence.split()[:WORDS])
