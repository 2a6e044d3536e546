"""Personal data gives way to stand-ins: the same person is the same stand-in throughout a case.

Stand-ins are made so that nobody owns them: domains of RFC 2606, addresses of RFC 5737 and 3849,
MAC addresses of RFC 7042, the 555-01xx numbers kept for fiction, cards of payment sandboxes. What
stood for whom is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Protocol

from rag.safety.policy import PERSONAL
from rag.types import Finding

Find = Callable[[str], Sequence[Finding]]

PERSON = "PERSON"
HIDDEN = frozenset((*PERSONAL, PERSON))
LEAST_SCORE = 0.5
GIVEN = (
    "Robin", "Casey", "Morgan", "Jamie", "Alex", "Taylor", "Jordan", "Avery", "Quinn", "Rowan",
    "Skyler", "Emery",
)  # fmt: skip
FAMILY = (
    "Marsh", "Brook", "Field", "Heath", "Ford", "Dale", "Hollow", "Garner", "Lowell", "Pryce",
    "Sutter", "Thorne",
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net")
CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444", "4242 4242 4242 4242")
IBANS = ("GB33BUKB20201555555555", "DE89370400440532013000", "FR1420041010050500013M02606")

_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "dame"})
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]+>|•{3,}")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’]s?$")


class Pseudonymise(Protocol):
    """Texts of one case to the same texts without personal data, in order."""

    def __call__(self, texts: Sequence[str]) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int
    label: str


class StandIns:
    """Puts stand-ins for the personal data that `find` reports. Each call begins anew."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def __call__(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The texts of one case with stand-ins. A value found in one is replaced in all."""
        found = [list(self._spans(text)) for text in texts]
        values = [
            (text[span.start : span.end], span.label)
            for text, spans in zip(texts, found, strict=True)
            for span in spans
        ]
        cast = _Cast(texts)
        for value, label in values:
            if label == PERSON:
                cast.name(value)
        again = _elsewhere(values)
        return tuple(
            _replaced(text, _disjoint([*spans, *again(text)]), cast)
            for text, spans in zip(texts, found, strict=True)
        )

    def _spans(self, text: str) -> Iterator[Span]:
        holes = [match.span() for match in _PLACEHOLDER.finditer(text)]
        for item in self._find(text):
            inside = any(start < item.end and item.start < end for start, end in holes)
            if item.label in HIDDEN and item.score >= LEAST_SCORE and not inside:
                yield _trimmed(text, Span(item.start, item.end, item.label))


def open_pseudonymiser() -> StandIns:
    """Stand-ins for what the guard's filter finds, names included. Raises FilterError."""
    from rag.safety.build import build_pii
    from rag.safety.policy import DEFAULT

    pii = build_pii("", DEFAULT, report_names=True)
    return StandIns(lambda text: pii.find(text, "question"))


class _Cast:
    """The stand-ins of one case. None is a word that the case has already."""

    def __init__(self, texts: Sequence[str]) -> None:
        taken = {word.casefold() for text in texts for word in _WORD.findall(text)}
        self._given = _fresh(GIVEN, taken)
        self._family = _fresh(FAMILY, taken)
        self._words: dict[str, str] = {}
        self._values: dict[tuple[str, str], str] = {}
        self._text = "\n".join(texts).casefold()

    def name(self, value: str) -> str:
        """A name word by word, so that "Fiona" goes on being the first name of her full name."""
        position = count()

        def one(match: re.Match[str]) -> str:
            word = match.group()
            if word.casefold() in _TITLES:
                return word
            pool = self._given if next(position) == 0 else self._family
            return _in_case(word, self._word(word, pool))

        return _WORD.sub(one, value)

    def stand_in(self, value: str, label: str) -> str:
        if label == PERSON:
            return self.name(value)
        key = label, _canonical(value)
        if key not in self._values:
            options = self._emails(value) if label == "EMAIL_ADDRESS" else _options(label, value)
            used = set(self._values.values())
            free = (o for o in options if o not in used and o.casefold() not in self._text)
            self._values[key] = next(free)
        return self._values[key]

    def _word(self, word: str, pool: Iterator[str]) -> str:
        key = word.casefold()
        if key not in self._words:
            self._words[key] = next(pool)
        return self._words[key]

    def _emails(self, value: str) -> Iterator[str]:
        """Of the person's stand-in, if the address tells whose it is."""
        words = _WORD.findall(value.split("@")[0])
        known = [self._words[w.casefold()] for w in words if w.casefold() in self._words]
        names = known or [next(self._given), next(self._family)]
        local = ".".join(name.casefold() for name in names)
        yield from (f"{local}@{domain}" for domain in DOMAINS)
        yield from (f"{local}.{number}@{DOMAINS[0]}" for number in count(2))


def _fresh(names: Sequence[str], taken: set[str]) -> Iterator[str]:
    """Names without end, and none that is taken; from the second round on with a second half."""
    doubled = (f"{name}-{other}" for name in names for other in names)
    numbered = (f"{names[0]}-{''.join(chr(97 + int(d)) for d in str(n))}" for n in count(10))
    return (name for name in chain(names, doubled, numbered) if name.casefold() not in taken)


def _options(label: str, value: str) -> Iterator[str]:
    """Stand-ins of one label, without end."""
    fixed = {"CREDIT_CARD": CARDS, "IBAN_CODE": IBANS}.get(label, ())
    yield from fixed
    pattern = _PATTERNS.get(label)
    if label == "IP_ADDRESS":
        pattern = "2001:db8::{}" if ":" in value else "192.0.2.{}"
    for number in count(1):
        if pattern and number < 100:
            yield pattern.format(f"{number:02}" if label in _TWO_DIGITS else number)
        else:
            yield f"EXAMPLE-{label.replace('_', '-')}-{number}"


_TWO_DIGITS = frozenset({"PHONE_NUMBER", "MAC_ADDRESS", "DATE_OF_BIRTH", "US_SSN"})
_PATTERNS = {
    "PHONE_NUMBER": "+1 202 555 01{}",
    "STREET_ADDRESS": "{} Example Street",
    "MAC_ADDRESS": "00-00-5E-00-53-{}",
    # The area 000 is never issued.
    "US_SSN": "000-00-00{}",
    "DATE_OF_BIRTH": "1 January 19{}",
}


def _trimmed(text: str, span: Span) -> Span:
    """A name without the possessive that belongs to the sentence."""
    value = text[span.start : span.end]
    if span.label != PERSON:
        return span
    match = _POSSESSIVE.search(value)
    return Span(span.start, span.start + match.start(), span.label) if match else span


def _elsewhere(values: Sequence[tuple[str, str]]) -> Callable[[str], Iterator[Span]]:
    """Finds the values again where the filter saw nothing, and the words of names by themselves."""
    whole = {value.casefold(): label for value, label in values}
    names = {
        word
        for value, label in values
        if label == PERSON
        for word in _WORD.findall(value)
        if len(word) > 2 and word[0].isupper() and word.casefold() not in _TITLES
    }
    patterns = (_any_of(whole, re.IGNORECASE), _any_of(names))

    def search(text: str) -> Iterator[Span]:
        for pattern in patterns:
            for match in pattern.finditer(text):
                yield Span(*match.span(), whole.get(match.group().casefold(), PERSON))

    return search


def _any_of(words: Collection[str], flags: int = 0) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    inner = "|".join(map(re.escape, longest_first)) or r"(?!)"
    return re.compile(rf"(?<!\w)(?:{inner})(?!\w)", flags)


def _disjoint(spans: Sequence[Span]) -> list[Span]:
    """Spans in order; those that overlap become one, under the longest one's label."""
    merged: list[Span] = []
    width = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            label = span.label if span.end - span.start > width else last.label
            width = max(width, span.end - span.start)
            merged.append(Span(last.start, max(last.end, span.end), label))
        else:
            merged.append(span)
            width = span.end - span.start
    return merged


def _replaced(text: str, spans: Sequence[Span], cast: _Cast) -> str:
    parts, position = [], 0
    for span in spans:
        parts += [text[position : span.start]]
        parts += [cast.stand_in(text[span.start : span.end], span.label)]
        position = span.end
    return "".join([*parts, text[position:]])


def _canonical(value: str) -> str:
    """What two spellings of one number or address have in common."""
    return re.sub(r"[^\w@.]+", "", value).casefold()


def _in_case(word: str, stand_in: str) -> str:
    if word.isupper() and len(word) > 1:
        return stand_in.upper()
    return stand_in.lower() if word.islower() else stand_in
