"""Texts to measure with: prose of the sample documents, mixed anew from a seed, and made-up data.

The same seed gives the same texts everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from evals.sample import DOCUMENTS
from ingest.sentences import split_sentences

Random = np.random.Generator
SEED = 20260

_NOT_PROSE = re.compile(r"[\d@#|<>*_`\[\]]")
_TOKEN = re.compile(r" ?[A-Za-z]{1,5}|[0-9]{1,3}| ?[^\sA-Za-z0-9]|\s+")
_SYLLABLES = ("ba", "dor", "fen", "gul", "hes", "kin", "lor", "mar", "nev", "pol", "rys", "tam")


@dataclass(frozen=True, slots=True)
class Planted:
    """A text with made-up personal data at the spans (start, end, label)."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


@cache
def sentences() -> tuple[str, ...]:
    """Sentences of the sample's Markdown files without digits, markup or addresses."""
    found: list[str] = []
    for path in sorted(DOCUMENTS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        found += [" ".join(text[start:end].split()) for start, end in split_sentences(text)]
    prose = (s for s in found if 40 <= len(s) <= 240 and s.endswith(".") and s[0].isupper())
    return tuple(dict.fromkeys(s for s in prose if not _NOT_PROSE.search(s)))


def paragraph(random: Random, count: int) -> str:
    """`count` sentences in random order."""
    return " ".join(random.choice(sentences(), size=count).tolist())


def topic(random: Random) -> str:
    """Two words that stand in no other text, in all likelihood."""
    words = ("".join(random.choice(_SYLLABLES, size=4).tolist()) for _ in range(2))
    return " ".join(word.capitalize() for word in words)


def write_notes(folder: Path, count: int, seed: int = SEED) -> None:
    """`count` Markdown files of about 300 words in two sections."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        title, first, second = topic(random), paragraph(random, 9), paragraph(random, 9)
        text = f"# {title}\n\n{first}\n\n## Details of {title}\n\n{second}\n"
        (folder / f"note-{number:05}.md").write_text(text, encoding="utf-8")


def write_corpus(path: Path, count: int, seed: int = SEED) -> list[str]:
    """A corpus file of `count` short documents d0, d1, ...; for each, in order, a question to it.

    The question has the document's topic, which stands in no other, and its first words, which do.
    """
    random = np.random.default_rng(seed)
    questions = []
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            name, text = topic(random), paragraph(random, 3)
            text = f"{text} This concerns {name}. {paragraph(random, 2)}"
            questions.append(f"{' '.join(text.split()[:6])} {name}?")
            stream.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")
    return questions


def answers(count: int, length: int, seed: int = SEED) -> list[Planted]:
    """Answers of `length` sentences, with personal data in about every third."""
    random = np.random.default_rng(seed)
    return [_planted(random, length) for _ in range(count)]


def _planted(random: Random, length: int) -> Planted:
    text, spans = "", []
    for _ in range(length):
        sentence = str(random.choice(sentences()))
        if random.random() < 1 / 3:
            lead, datum, label = personal_datum(random)
            start = len(text) + len(sentence) + 1 + len(lead)
            spans.append((start, start + len(datum), label))
            sentence = f"{sentence} {lead}{datum}."
        text += f"{sentence} "
    return Planted(text.rstrip(), tuple(spans))


def straddling(count: int, borders: Sequence[int], seed: int = SEED) -> list[Planted]:
    """Answers with a datum across each of these token counts (by `tokens`), half on either side."""
    random = np.random.default_rng(seed)
    return [_straddling(random, borders) for _ in range(count)]


def _straddling(random: Random, borders: Sequence[int]) -> Planted:
    text, spans = str(random.choice(sentences())), []
    for border in borders:
        lead, datum, label = personal_datum(random)
        middle = len(tokens(f" {lead}")) + len(tokens(datum)) // 2
        text += _filler(random, border - len(tokens(text)) - middle)
        spans.append((len(text) + 1 + len(lead), len(text) + 1 + len(lead) + len(datum), label))
        text += f" {lead}{datum}."
    return Planted(f"{text} {paragraph(random, 3)}", tuple(spans))


def _filler(random: Random, count: int) -> str:
    """Exactly `count` tokens: sentences that fit, and short words for the rest."""
    text, left = "", count - 2
    for sentence in random.permutation(sentences()).tolist():
        size = len(tokens(f" {sentence}"))
        if size <= left:
            text, left = f"{text} {sentence}", left - size
    words = islice(cycle((" and", " so", " on")), left + 1)
    return f"{text}{''.join(words)}."


def personal_datum(random: Random) -> tuple[str, str, str]:
    """(words before it, a made-up datum that passes its checksum, its label)."""
    kinds = (_email, _phone, _card, _iban, _ssn)
    return kinds[int(random.integers(len(kinds)))](random)


def _email(random: Random) -> tuple[str, str, str]:
    first, last = topic(random).lower().split()
    return "Please write to ", f"{first}.{last}@{last}-ferries.com", "EMAIL_ADDRESS"


def _phone(random: Random) -> tuple[str, str, str]:
    return "Please call ", f"+44 131 496 {_digits(random, 4)}", "PHONE_NUMBER"


def _card(random: Random) -> tuple[str, str, str]:
    body = "4" + _digits(random, 14)
    number = body + next(str(d) for d in range(10) if _luhn(f"{body}{d}"))
    groups = " ".join(number[i : i + 4] for i in range(0, 16, 4))
    return "The card that was charged is ", groups, "CREDIT_CARD"


def _iban(random: Random) -> tuple[str, str, str]:
    account = _digits(random, 18)
    check = 98 - int(f"{account}131400") % 97
    number = f"DE{check:02}{account}"
    groups = " ".join(number[i : i + 4] for i in range(0, 22, 4))
    return "The money goes to the account ", groups, "IBAN_CODE"


def _ssn(random: Random) -> tuple[str, str, str]:
    area, group = int(random.integers(100, 665)), int(random.integers(10, 99))
    return (
        "The social security number on file is ",
        f"{area}-{group}-{_digits(random, 3)}7",
        "US_SSN",
    )


def _digits(random: Random, count: int) -> str:
    return "".join(map(str, random.integers(0, 10, size=count)))


def _luhn(digits: str) -> bool:
    values = [int(c) for c in digits]
    doubled = [sum(divmod(2 * d, 10)) for d in values[-2::-2]]
    return (sum(values[-1::-2]) + sum(doubled)) % 10 == 0


def tokens(text: str) -> list[str]:
    """Pieces of about the size of a causal LM's tokens that join to the text."""
    return _TOKEN.findall(text)
