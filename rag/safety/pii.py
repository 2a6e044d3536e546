"""Personal data: rows of patterns, phone plans, Presidio's checked recognizers, and names.

Presidio's recognizers are called one by one, without its AnalyzerEngine: its e-mail recognizer
asks the network for domain lists, its patterns that run out of time count as "nothing found", and
its unvalidated country recognizers take part codes for licences. Those kept here carry a checksum.

A text is read segment by segment, each with the context before it and nothing of what follows, as
a stream is. So it has the same findings whether it comes whole or in segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

from rag.safety.labels import STAGES
from rag.safety.lean import CryptoRecognizer, IbanRecognizer, PatternRecognizer
from rag.safety.lru import Lru
from rag.safety.names.kinds import plausible, trimmed
from rag.safety.names.pieces import near, pieces
from rag.safety.names.types import Name, NameFinder
from rag.safety.phones import find_phones
from rag.safety.recognizers import ALL_ROWS
from rag.safety.rows import Row, needs_met
from rag.types import Finding, Stage

_NAMED = "pii:ner"
_REMEMBERED = 8192
# Without these, Presidio's recognizers can find nothing: they take far longer to say so.
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}")
_COIN = re.compile(r"(?i)(?:bc1|[13])[a-z0-9]{25}")
# A longer, better founded reading of the same characters takes their place.
_WEAK = frozenset(
    {
        "BANK_ACCOUNT",
        "CREDIT_CARD",
        "DRIVER_LICENSE",
        "HEALTH_ID",
        "NATIONAL_ID",
        "PASSPORT",
        "PASSWORD",
        "PHONE_NUMBER",
        "SECRET",
        "URL",
    }
)


class PiiFilter:
    """Finds personal data. Names come from `names`, in the stages of `name_stages` only."""

    name = "pii"

    def __init__(
        self,
        names: NameFinder | None,
        name_stages: Iterable[Stage] = STAGES,
        rows: Sequence[Row] = ALL_ROWS,
    ) -> None:
        self._finder = names
        self._name_stages = frozenset(name_stages) if names is not None else frozenset()
        self._rows = tuple(rows)
        self._recognizers: tuple[tuple[re.Pattern[str], PatternRecognizer], ...] = (
            (_IBAN, IbanRecognizer()),
            (_COIN, CryptoRecognizer()),
        )
        self._known: Lru[bytes, tuple[Name, ...]] = Lru(_REMEMBERED)

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """Findings in `text`, the better founded of two readings of the same characters."""
        parts = list(pieces(text))
        named = self._learn([self._seen(part.text, len(part.context)) for part in parts], stage)
        found: list[Finding] = []
        for part, names in zip(parts, named, strict=True):
            by = part.start - len(part.context)
            there = self._found(part.text, len(part.context), names, stage)
            found += [
                replace(f, start=max(f.start + by, part.start), end=f.end + by) for f in there
            ]
        return _joined(found)

    def find_after(self, text: str, start: int, stage: Stage) -> list[Finding]:
        """Findings that reach into the segment `text[start:]`; some begin before it."""
        (names,) = self._learn([self._seen(text, start)], stage)
        return self._found(text, start, names, stage)

    def warm(self, texts: Sequence[str], stage: Stage) -> None:
        """Looks for the names of several texts at once."""
        parts = [part for text in texts for part in pieces(text)]
        self._learn([self._seen(part.text, len(part.context)) for part in parts], stage)

    def forget(self) -> None:
        """Drops what is remembered of texts: where in them names stood."""
        self._known.clear()

    def _found(self, text: str, start: int, names: Sequence[Name], stage: Stage) -> list[Finding]:
        read = [Finding(stage, label, s, e, p, self.name) for label, s, e, p in self._read(text)]
        strong = _without_shadowed(read)
        by = len(text) - len(self._seen(text, start))
        named = [Finding(stage, n.label, n.start + by, n.end + by, n.score, _NAMED) for n in names]
        found = strong + [f for f in named if not _inside_any(f, strong)]
        return [f for f in found if f.end > start]

    def _seen(self, text: str, start: int) -> str:
        """What the finder of names sees of a segment and its context."""
        return text[near(text, start, self._finder.behind) :] if self._finder else ""

    def _read(self, text: str) -> Iterator[tuple[str, int, int, float]]:
        met = needs_met(text)
        for row in self._rows:
            if row.needs in met:
                for start, end, score in row.find(text):
                    yield row.label, start, end, score
        if "digits" in met:
            for start, end, score in find_phones(text):
                yield "PHONE_NUMBER", start, end, score
        for sign, recognizer in self._recognizers:
            found = sign.search(text) and recognizer.analyze(text, recognizer.supported_entities)
            for result in found or ():
                yield result.entity_type, result.start, result.end, float(result.score)

    def _learn(self, seen: Sequence[str], stage: Stage) -> list[tuple[Name, ...]]:
        """The names of every piece; those not yet known are looked for in one go."""
        if self._finder is None or stage not in self._name_stages:
            return [() for _ in seen]
        keys = [_digest(text) for text in seen]
        known: dict[bytes, tuple[Name, ...]] = {}
        new: dict[bytes, str] = {}
        for key, piece in zip(keys, seen, strict=True):
            names = self._known.get(key)
            if names is not None:
                known[key] = names
            elif any(map(str.isalnum, piece)):
                new[key] = piece
        found = self._finder.find(list(new.values()))
        for (key, piece), read in zip(new.items(), found, strict=True):
            known[key] = tuple(_sensible(read, piece))
            self._known.put(key, known[key])
        return [known.get(key, ()) for key in keys]


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _sensible(names: Iterable[Name], text: str) -> Iterator[Name]:
    for name in names:
        whole = trimmed(name, text)
        if whole is not None and plausible(text[whole.start : whole.end], whole.label):
            yield whole


def _joined(found: Iterable[Finding]) -> list[Finding]:
    """One finding in place of two of a kind that meet at the border of two segments."""
    joined: list[Finding] = []
    at_end: dict[tuple[str, str, int], int] = {}
    for finding in found:
        place = at_end.get((finding.label, finding.source, finding.start))
        if place is None:
            place = len(joined)
            joined.append(finding)
        else:
            head = joined[place]
            score = max(head.score, finding.score)
            joined[place] = replace(head, end=finding.end, score=score)
        at_end[finding.label, finding.source, finding.end] = place
    return joined


def _without_shadowed(found: Sequence[Finding]) -> list[Finding]:
    """One finding a span and label, without the weak readings inside a better founded one."""
    best: dict[tuple[str, int, int], Finding] = {}
    for finding in found:
        key = (finding.label, finding.start, finding.end)
        if key not in best or best[key].score < finding.score:
            best[key] = finding
    kept = list(best.values())
    return [f for f in kept if not (f.label in _WEAK and any(_shadows(o, f) for o in kept))]


def _shadows(other: Finding, finding: Finding) -> bool:
    """True if `other` covers `finding` and is better founded; a fixed order breaks ties."""
    covers = other.start <= finding.start and finding.end <= other.end
    if other is finding or not covers or other.label in ("URL", "AGE"):
        return False
    return (other.score, other.label) > (finding.score, finding.label)


def _inside_any(finding: Finding, others: Sequence[Finding]) -> bool:
    return any(o.start <= finding.start and finding.end <= o.end for o in others)
