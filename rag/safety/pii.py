"""Personal data: rows of patterns, phone plans, Presidio's checked recognizers, and spaCy's names.

Presidio's recognizers are called one by one, without its AnalyzerEngine: its e-mail recognizer
asks the network for domain lists, its patterns that run out of time count as "nothing found", and
its unvalidated country recognizers take part codes for licences. Those kept here carry a checksum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import FilterError
from rag.safety.addresses import ADDRESSES
from rag.safety.lean import CryptoRecognizer, IbanRecognizer, PatternRecognizer, spacy
from rag.safety.phones import find_phones
from rag.safety.policy import STAGES
from rag.safety.recognizers import ROWS, Row
from rag.types import Finding, Stage

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Span

_NER = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
    "NORP": "NRP",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}
_NER_SCORE = 0.85
_MAX_NER = 100_000
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
    """Finds personal data. Names come from `ner`, in the stages of `ner_stages` only."""

    name = "pii"

    def __init__(
        self,
        ner: Language | None,
        ner_stages: Iterable[Stage] = STAGES,
        rows: Sequence[Row] = ROWS + ADDRESSES,
    ) -> None:
        self._ner = ner
        self._ner_stages = frozenset(ner_stages) if ner is not None else frozenset()
        self._rows = tuple(rows)
        self._recognizers: tuple[PatternRecognizer, ...] = (IbanRecognizer(), CryptoRecognizer())

    def find(self, text: str, stage: Stage) -> list[Finding]:
        """Findings in `text`, the better founded of two readings of the same characters."""
        found = [Finding(stage, label, s, e, p, self.name) for label, s, e, p in self._read(text)]
        strong = _without_shadowed(found)
        if self._ner is None or stage not in self._ner_stages:
            return strong
        return strong + [f for f in self._names(text, stage) if not _inside_any(f, strong)]

    def _read(self, text: str) -> Iterator[tuple[str, int, int, float]]:
        for row in self._rows:
            for start, end, score in row.find(text):
                yield row.label, start, end, score
        for start, end, score in find_phones(text):
            yield "PHONE_NUMBER", start, end, score
        for recognizer in self._recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities):
                yield result.entity_type, result.start, result.end, float(result.score)

    def _names(self, text: str, stage: Stage) -> Iterator[Finding]:
        if self._ner is None or not text.strip():
            return
        for entity in self._ner(text).ents:
            label = _NER.get(entity.label_)
            if label is not None and _plausible(entity, label):
                start, end = entity.start_char, entity.end_char
                yield Finding(stage, label, start, end, _NER_SCORE, "pii:ner")


def load_ner(path: Path) -> Language:
    """The spaCy pipeline at `path`, tok2vec and ner only. Raises FilterError if it cannot load."""
    if not path.is_dir():
        raise FilterError("pii", f"no spaCy model at {path}")
    try:
        ner = spacy.load(path, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    except Exception as error:
        problem = f"the spaCy model at {path} does not load ({type(error).__name__})"
        raise FilterError("pii", problem) from error
    ner.max_length = _MAX_NER
    return ner


def _plausible(entity: Span, label: str) -> bool:
    """Drops what a small model is known to get wrong: codes, markup and blanks as names."""
    text = entity.text
    if not any(c.isalpha() for c in text) and label != "DATE_TIME":
        return False
    return label not in ("PERSON", "NRP") or not any(c in text for c in "0123456789_=/\\|<>{}`#")


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
