"""What a sentence claims, read off its surface: words, numbers, names, negations. Pure.

Shared by grounding (does the source say so?) and by the pipeline (is this a claim at all?).
"""

from __future__ import annotations

import re
from itertools import pairwise

from rag.safety.redact import MARK
from rag.words import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nothing|nobody|\w+n['’]t)\b", re.IGNORECASE
)
_SUFFIXES = ("ingly", "edly", "ing", "ed", "es", "s", "ly")

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SMALL.split())}
_NUMBER_WORDS |= {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90"}

_DONT_KNOW = re.compile(
    r"^\W*(?:"
    r"i(?:['’]m| am)? (?:do not|don['’]?t|dont|not|sorry,? but i (?:don['’]t|do not))\b"
    r".{0,20}\b(?:know|sure|have (?:that|this|any|the) information)"
    r"|(?:the |these |those )?(?:given |provided )?"
    r"(?:passages?|documents?|text|context|sources?) (?:do(?:es)?(?: not|n['’]t)) "
    r"(?:answer|contain|mention|provide|say|state|specify|include|give)"
    r"|(?:there is )?no (?:information|mention|answer)\b)",
    re.IGNORECASE,
)
_FRAMING = re.compile(
    r"^\W*(?:sure|certainly|of course|okay|ok|yes|no|hello|hi|thanks|thank you|"
    r"you['’]re welcome|"
    r"here (?:is|are)\b[^.]*|according to the (?:passages?|documents?)|"
    r"i hope (?:this|that) helps|let me know\b[^.]*|please let me know\b[^.]*)\W*$",
    re.IGNORECASE,
)


def content_words(text: str) -> frozenset[str]:
    """Lower-case word stems that carry topic, and the redaction marks."""
    words = (word.lower() for word in _WORD.findall(MARK.sub(" ", text)))
    stems = {_stem(_NUMBER_WORDS.get(word, word)) for word in words if word not in STOP_WORDS}
    return frozenset(stems | set(MARK.findall(text)))


def numbers(text: str) -> frozenset[str]:
    """Numbers in one form: no thousands separators, words up to twenty as digits."""
    text = MARK.sub(" ", text)
    found = {_plain(number) for number in _NUMBER.findall(text)}
    found |= {_NUMBER_WORDS[w] for w in re.findall(r"[a-z]+", text.lower()) if w in _NUMBER_WORDS}
    return frozenset(found)


def names(text: str) -> frozenset[str]:
    """Capitalised words that do not begin the sentence, in lower case."""
    words = [word.strip(".,;:!?()[]\"'’“”") for word in MARK.sub(" ", text).split()]
    found = set()
    for before, word in pairwise(words):
        if word[:1].isupper() and word.lower() not in STOP_WORDS and before:
            found.add(re.sub(r"['’]s$", "", word.lower()))
    return frozenset(found)


def negations(text: str) -> frozenset[str]:
    """The words that deny something."""
    return frozenset(word.lower() for word in _NEGATION.findall(text))


def is_refusal(text: str) -> bool:
    """True if the sentence says that the answer is not known or not in the passages."""
    return bool(_DONT_KNOW.search(text.strip()))


def is_claim(text: str) -> bool:
    """False for greetings, framing, headings, bare marks and admissions of not knowing."""
    bare = text.strip().strip("#*-_>|` ")
    if not bare or bare.endswith(":") or is_refusal(bare) or _FRAMING.match(bare):
        return False
    return bool(content_words(bare))


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def _plain(number: str) -> str:
    text = number.rstrip(".,:")
    whole = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text)
    return text.replace(",", "") if whole else text
