"""Pseudonyms: `<PERSON_1>` is the same person all through a conversation, and in no other.

Numbers are given in order of appearance, for each label anew. Two ways to write a value are one if
they differ in case, blanks and punctuation alone, or, of a name, as "Berg, Anna" does. A surname
by itself is a name of its own: two people may share it, and nothing here says that they are one.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from threading import Lock
from typing import Protocol

from rag.safety.labels import ACCOUNT, CREDENTIAL, IDENTITY, NER_LABELS
from rag.safety.redact import Mark, Mask, plain_mark

PSEUDONYM = re.compile(r"<([A-Z][A-Z_]{0,47})_([1-9][0-9]{0,8})>")
LONGEST = 60
HASH_DIGITS = 8
SESSIONS = 1024

_FORGED = re.compile(
    r"(?:[<\uff1c\ufe64\u2039\u3008]|&lt;?|&#0{0,4}60;?|&#x0{0,4}3c;?)"
    r"(\s{0,3}[a-z][a-z_]{0,47}_\s{0,3}[0-9]{1,9}\s{0,3})"
    r"(?:[>\uff1e\ufe65\u203a\u3009]|&gt;?|&#0{0,4}62;?|&#x0{0,4}3e;?)",
    re.IGNORECASE,
)
# A number that a conversation claims for itself may not use up all there are.
_LARGEST_HELD = 99_999
_POSSESSION = re.compile(r"(?<=\w)['\u2019]s?\Z")
_WORD = re.compile(r"[^\W_]+")
# Written in groups as one likes; of all others the words count.
_GROUPED = frozenset({*ACCOUNT, *IDENTITY, "MAC_ADDRESS"} - {"DATE_OF_BIRTH"})
_SIGNS = frozenset({"EMAIL_ADDRESS", "IP_ADDRESS", "URL"})
_SECRETS = frozenset({*CREDENTIAL, "CRYPTO"})
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "md", "phd", "esq"})
# Its value comes from a document and is put into an answer after the guard has read it.
_MARKUP = re.compile(r"[<>\[\]`|\\]|://|&#|!\(")


class Names(Protocol):
    """Gives pseudonyms: the same one for the same value, all through a session."""

    def name(self, label: str, raw: str) -> str: ...


class Ledger(Protocol):
    """Who has which number. `normal` tells whether two values are one; `raw` is kept."""

    def number(self, label: str, normal: str, raw: str) -> int: ...

    def value(self, label: str, number: int) -> str | None: ...

    def hold(self, label: str, number: int) -> None:
        """Numbers up to this one are given to nobody any more."""
        ...


class Sessions(Protocol):
    """The sessions of conversations, by the conversation's id."""

    def of(self, conversation: str) -> Session: ...


class MemoryLedger:
    """Numbers of one session, in memory. Safe to share by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: dict[tuple[str, str], int] = {}
        self._values: dict[tuple[str, int], str] = {}
        self._last: dict[str, int] = {}

    def number(self, label: str, normal: str, raw: str) -> int:
        with self._lock:
            found = self._numbers.get((label, normal))
            if found is None:
                found = self._last[label] = self._last.get(label, 0) + 1
                self._numbers[label, normal] = found
                self._values[label, found] = raw
            return found

    def value(self, label: str, number: int) -> str | None:
        return self._values.get((label, number))

    def hold(self, label: str, number: int) -> None:
        with self._lock:
            self._last[label] = max(number, self._last.get(label, 0))


class Session:
    """The pseudonyms of one conversation. `id` is the conversation's, or its own."""

    def __init__(self, ledger: Ledger | None = None, id: str = "") -> None:
        self.id = id or f"s-{secrets.token_hex(8)}"
        self._ledger = ledger or MemoryLedger()

    def name(self, label: str, raw: str) -> str:
        """The pseudonym of a value, such as `<PERSON_1>`. Raises what the ledger raises."""
        return f"<{label}_{self._ledger.number(label, normal(label, raw), raw)}>"

    def value(self, mark: str) -> str | None:
        """What a pseudonym of this session stands for; None for any other text."""
        found = PSEUDONYM.fullmatch(mark)
        return None if found is None else self._ledger.value(found[1], int(found[2]))

    def hold(self, texts: Iterable[str]) -> None:
        """Leave the pseudonyms in these texts to whom they meant: they are given to nobody else.

        A conversation may go on in another process than the one that knew them.
        """
        for label, number in {(m[1], int(m[2])) for t in texts for m in PSEUDONYM.finditer(t)}:
            if number <= _LARGEST_HELD and self._ledger.value(label, number) is None:
                self._ledger.hold(label, number)


class MemorySessions:
    """The sessions used last, in memory alone: a conversation let go of begins to count anew."""

    def __init__(self, kept: int = SESSIONS) -> None:
        self._kept = kept
        self._lock = Lock()
        self._known: OrderedDict[str, Session] = OrderedDict()

    def of(self, conversation: str) -> Session:
        with self._lock:
            found = self._known.pop(conversation, None) or Session(id=conversation)
            self._known[conversation] = found
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
            return found


class Recorded:
    """Names as another gives them, written down in their order, for a trace."""

    def __init__(self, names: Names) -> None:
        self.given: list[str] = []
        self._names = names

    def name(self, label: str, raw: str) -> str:
        self.given.append(self._names.name(label, raw))
        return self.given[-1]


class Played:
    """Names as they were written down: a replay gives them again without knowing the values."""

    def __init__(self, given: Sequence[str]) -> None:
        self._given: Iterator[str] = iter(given)

    def name(self, label: str, raw: str) -> str:
        del raw
        return next(self._given, f"<{label}>")


class Hasher:
    """The hash of a value in this installation: HMAC-SHA256, of which 8 hex digits are shown.

    Without a key it is one of this process, and the marks of the next are others.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key or secrets.token_bytes(32)

    def __call__(self, label: str, raw: str) -> str:
        said = f"{label}\0{normal(label, raw)}".encode("utf-8", "replace")
        return hmac.new(self._key, said, sha256).hexdigest()[:HASH_DIGITS]


def marking(names: Names | None, hashed: Hasher) -> Mark:
    """What stands in place of masks. Without `names`, a pseudonym is a plain mask.

    What a name owns stays so: "Anna Berg's" is `<PERSON_1>'s`.
    """

    def mark(mask: Mask, raw: str) -> str:
        if mask.action == "hash":
            return f"<{mask.label}:{hashed(mask.label, raw)}>"
        if mask.action == "pseudonym" and names is not None:
            owner = _POSSESSION.search(raw) if mask.label in NER_LABELS else None
            end = owner.start() if owner else len(raw)
            return names.name(mask.label, raw[:end]) + raw[end:]
        return plain_mark(mask, raw)

    return mark


def unforged(text: str) -> str:
    """`text` from outside, in which nothing can pass for a pseudonym of ours any more."""
    return _FORGED.sub(r"(\1)", text)


def restorable(value: str) -> str | None:
    """A value on one line, as it may stand in an answer; None for what reads as markup."""
    line = " ".join(value.split())
    return None if _MARKUP.search(line) or not line.isprintable() else line


def normal(label: str, raw: str) -> str:
    """What all ways to write a value have in common."""
    text = unicodedata.normalize("NFKC", raw).strip()
    if label in _SECRETS:
        return text
    text = text.casefold()
    if label == "PERSON":
        return _person(text)
    if label == "PHONE_NUMBER":
        digits = "".join(c for c in text.replace("(0)", "") if c.isdigit())
        return digits.removeprefix("00") or text
    if label in _SIGNS:
        return "".join(text.split())
    return ("" if label in _GROUPED else " ").join(_WORD.findall(text)) or text


def _person(text: str) -> str:
    """A name's words in the order in which they are spoken, without an ending of possession."""
    text = _POSSESSION.sub("", text)
    family, comma, given = text.partition(",")
    words, first = _WORD.findall(family), _WORD.findall(given)
    turned = comma and first and "," not in given and not _SUFFIXES.intersection(first)
    return " ".join([*first, *words] if turned else [*words, *first]) or text
