"""What is public and what is never to be said: the two lists that a policy may hold.

A public value is known by what it means: a phone number by its digits, however they are grouped,
an e-mail address in any case. Nothing else of it is forgiven, so that no other value passes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import phonenumbers
import regex  # type: ignore[import-untyped]

from rag.safety.labels import DENIED
from rag.safety.patterns import BoundedPattern
from rag.safety.pseudonyms import normal
from rag.safety.rules import Allowed, Denied
from rag.types import Finding, Stage


class Public(Protocol):
    """Says of a label and a value whether it is public; `epoch` changes when that may change."""

    def allows(self, label: str, raw: str) -> bool: ...

    def epoch(self) -> str: ...


_EXTENSION = re.compile(r"[\s,;]{0,4}(?:x|ext\.?|extension|#)\s?(\d{1,6})\s*$", re.IGNORECASE)
_PHONE = re.compile(r"[\d\s().+/–-]{5,40}")
_AT = re.compile(r"\s{0,4}(?:[\[({]\s?at\s?[\])}]|\sat\s)\s{0,4}", re.IGNORECASE)
_DOT = re.compile(r"\s{0,4}(?:[\[({]\s?dot\s?[\])}]|\sdot\s)\s{0,4}", re.IGNORECASE)


class Lists:
    """Says of what was found whether it is public. `public` is asked after the policy's own list.

    Raises what `public` raises, and TimeoutError where a pattern takes too long.
    """

    def __init__(self, allowed: Allowed, public: Public | None = None) -> None:
        self._labels = allowed.labels
        self._values = Values((label, value) for value in allowed.values for label in self._labels)
        self._domains = allowed.domains
        self._patterns = tuple(map(BoundedPattern, allowed.patterns))
        self._public = public

    def allows(self, label: str, raw: str) -> bool:
        """True if `raw`, found as `label`, may be seen by everyone."""
        if label not in self._labels:
            return False
        return (
            (label, raw) in self._values
            or (label == "EMAIL_ADDRESS" and _has_domain(raw, self._domains))
            or any(pattern.fits(raw) for pattern in self._patterns)
            or (self._public is not None and self._public.allows(label, raw))
        )

    def epoch(self) -> str:
        """Another one when `allows` may say something else."""
        return "" if self._public is None else self._public.epoch()


class Values:
    """A set of (label, value), which holds every way of writing each."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._phones: defaultdict[str, set[int | None]] = defaultdict(set)
        for label, value in pairs:
            self._add(label, value)

    def _add(self, label: str, value: str) -> None:
        if label == "PHONE_NUMBER":
            for country, number in _phones(value):
                self._phones[number].add(country)
        else:
            self._keys.add((label, _key(label, value)))

    def __contains__(self, pair: tuple[str, str]) -> bool:
        label, raw = pair
        if label == "PHONE_NUMBER":
            return any(self._has_phone(country, number) for country, number in _phones(raw))
        return (label, _key(label, raw)) in self._keys

    def _has_phone(self, country: int | None, number: str) -> bool:
        """A number without its country's code is the same in the one country that is known."""
        known = self._phones.get(number, set())
        return bool(known) and (country is None or country in known or None in known)


class DenyFilter:
    """Finds denied words and patterns, labelled DENIED. Raises TimeoutError for a slow pattern."""

    name = "lists"

    def __init__(self, denied: Denied) -> None:
        words = (_Words(denied.words),) if denied.words else ()
        self._finders = (*words, *map(BoundedPattern, denied.patterns))

    def find(self, text: str, stage: Stage) -> Sequence[Finding]:
        return [
            Finding(stage, DENIED, start, end, 1.0, self.name)
            for finder in self._finders
            for start, end in finder.find(text)
        ]


def _key(label: str, value: str) -> str:
    """One way of writing a value; the signs of an address may stand in it as words."""
    if label == "EMAIL_ADDRESS":
        value = _DOT.sub(".", _AT.sub("@", value.strip().strip("<>")))
        return normal(label, value).removeprefix("mailto:")
    return normal(label, value)


def _has_domain(raw: str, domains: Sequence[str]) -> bool:
    address = _key("EMAIL_ADDRESS", raw)
    domain = address.rpartition("@")[2] if address.count("@") == 1 else ""
    return any(domain == known or domain.endswith(f".{known}") for known in domains)


def _phones(value: str) -> list[tuple[int | None, str]]:
    """What a phone number may mean: country (None: not said) and digits, its extension behind."""
    found = _EXTENSION.search(value)
    extension = f"x{found[1]}" if found else ""
    body = value[: found.start()] if found else value
    if not _PHONE.fullmatch(body.strip()):
        return []
    digits = re.sub(r"\D", "", body.replace("(0)", ""))
    if body.lstrip(" (").startswith(("+", "00")):
        country, number = _abroad(digits.removeprefix("00"))
        return [(country, number + extension)] if number else []
    number = digits.lstrip("0")
    if len(number) < 5:
        return []
    meant: list[tuple[int | None, str]] = [(None, number + extension)]
    # In North America the country's code is written without a plus.
    if len(number) == 11 and number.startswith("1"):
        meant.append((1, number[1:] + extension))
    return meant


def _abroad(digits: str) -> tuple[int | None, str]:
    """Country code and national digits; "" for digits that begin with no country's code."""
    for length in (1, 2, 3):
        code = int(digits[:length] or 0)
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return code, digits[length:].lstrip("0")
    return None, ""


class _Words:
    """Finds whole words in any case; a blank between two of them may be any blanks."""

    def __init__(self, words: Iterable[str]) -> None:
        kinds: defaultdict[str, list[str]] = defaultdict(list)
        for word in words:
            before = r"(?<!\w)" if _stands_apart(word[0]) else ""
            after = r"(?!\w)" if _stands_apart(word[-1]) else ""
            kinds[rf"{before}\L<{{}}>{after}"].append(" ".join(word.split()))
        lists = {f"list{number}": known for number, known in enumerate(kinds.values())}
        shapes = (shape.format(name) for shape, name in zip(kinds, lists, strict=True))
        self._pattern = regex.compile("|".join(shapes), regex.IGNORECASE, **lists)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        places = [i for i, c in enumerate(text) if not (c.isspace() and text[i - 1 : i].isspace())]
        single = "".join(" " if text[i].isspace() else text[i] for i in places)
        for match in self._pattern.finditer(single):
            yield places[match.start()], places[match.end() - 1] + 1


def _stands_apart(character: str) -> bool:
    """True for digits and the letters of scripts with capitals: these put blanks between words."""
    return character.isdigit() or character.lower() != character.upper()
