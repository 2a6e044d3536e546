"""Answers held against accepted ones. Pure; case, punctuation and articles never matter.

`exact_match` and `token_f1` are SQuAD's own definitions (Rajpurkar et al. 2016 and 2018), for
figures that compare. `contains_answer` and `token_recall` split words at punctuation instead of
joining them (SQuAD reads "five-day" as "fiveday"), and take 1,000 for 1000 but not 3.5 for 35.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
# Numbers with their points, single characters of scripts without spaces, words such as C++ and C#.
_WORDS = re.compile(
    r"\d+(?:[.,]\d+)+(?!\w)|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
    r"|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+(?:\+\+|#)?"
)


def squad_normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, answers: Sequence[str]) -> float:
    """1 if the text is an accepted answer; without any, if it says nothing (SQuAD 2.0)."""
    return float(squad_normalise(text) in map(squad_normalise, _golds(answers)))


def token_f1(text: str, answers: Sequence[str]) -> float:
    """F1 of shared words, at best over the answers; without any, 1 for a text of nothing."""
    said = squad_normalise(text).split()
    return max(_f1(said, squad_normalise(gold).split()) for gold in _golds(answers))


def contains_answer(text: str, answers: Sequence[str]) -> bool:
    """True if an accepted answer stands in the text, word for word: "5" is not in "15"."""
    return any(_stands(answer, text) for answer in answers)


def token_recall(text: str, answers: Sequence[str]) -> float:
    """Share of an answer's words that the text says, at best; without any, 1 if it says nothing."""
    said = Counter(_content(text))
    golds = [gold for answer in answers if (gold := Counter(_content(answer)))]
    if not golds:
        return float(not said)
    return max((said & gold).total() / gold.total() for gold in golds)


def _golds(answers: Sequence[str]) -> list[str]:
    return [answer for answer in answers if squad_normalise(answer)] or [""]


def _f1(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    shared = (Counter(said) & Counter(gold)).total()
    return 2 * shared / (len(said) + len(gold))


def _stands(answer: str, text: str) -> bool:
    read: Callable[[str], list[str]] = _content if _content(answer) else _words
    wanted, said = read(answer), read(text)
    if not wanted:
        return False
    starts = range(len(said) - len(wanted) + 1)
    return any(said[i : i + len(wanted)] == wanted for i in starts)


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in ("a", "an", "the")]


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = _WORDS.findall(plain)
    return [word.replace(",", "") if _THOUSANDS.fullmatch(word) else word for word in found]
