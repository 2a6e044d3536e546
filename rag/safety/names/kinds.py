"""What other models' labels mean here, and which names are worth a report. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rag.safety.names.types import DATE, LOCATION, NRP, ORGANIZATION, PERSON, Name

KINDS: Mapping[str, str] = {
    "PERSON": PERSON,
    "PER": PERSON,
    "GPE": LOCATION,
    "LOC": LOCATION,
    "FAC": LOCATION,
    "LOCATION": LOCATION,
    "ORG": ORGANIZATION,
    "ORGANIZATION": ORGANIZATION,
    "NORP": NRP,
    "NRP": NRP,
    "LANGUAGE": NRP,
    "DATE": DATE,
    "TIME": DATE,
    "DATE_TIME": DATE,
}
"""Labels of OntoNotes, CoNLL 2003 and their kin; "B-" and "I-" are taken off before."""

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
# A day or a year: "this month" and "two years" are nobody's.
_CERTAIN = re.compile(
    rf"(?i)\b(?:1[5-9]|20)\d\d\b|\b{_MONTH}\.? \d|\d(?:st|nd|rd|th)?(?: of)? {_MONTH}\b|\d[:/.-]\d"
)
_NUMBERS = re.compile(
    r"(?i)(?:the |my |our )?(?:IBAN|SSN|ATM|PIN|CVV|DOB|BIC|SWIFT|URL|IP|API|ID|VAT|NHS|MRN|IMEI"
    r"|EIN|ITIN|NINO|PDF|HTML|XML|JSON|HTTPS?|SQL|CSS|FAQ|P\.?O\.? Box)s?"
)
# What stands before a person at the head of an order or a letter: "Call Fiona", "Dear Ann".
_BEFORE_A_PERSON = frozenset(
    (
        *("ask", "call", "contact", "dear", "email", "fax", "hello", "hi", "meet", "message"),
        *("phone", "telephone", "tell", "text", "thank", "thanks", "visit", "write"),
    )
)
_CODE = frozenset("0123456789_=/\\|<>{}`#")


def label_of(raw: str) -> str:
    """Our label for another model's, "" where it is none of ours."""
    bare = raw[2:] if raw[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") else raw
    return KINDS.get(bare.upper(), "")


def plausible(text: str, label: str) -> bool:
    """Drops what small models are known to get wrong: codes, markup, blanks and kinds of numbers,
    verbs for people, and dates that are no certain day or year."""
    if label == DATE:
        return _CERTAIN.search(text) is not None
    if label == PERSON and text.casefold() in _BEFORE_A_PERSON:
        return False
    if label in (PERSON, NRP) and not _CODE.isdisjoint(text):
        return False
    if label == ORGANIZATION and _NUMBERS.fullmatch(text):
        return False
    return any(c.isalnum() for c in text)


def trimmed(name: Name, text: str) -> Name | None:
    """The name without blanks and stray marks at its ends; None if nothing is left of it."""
    start, end = name.start, name.end
    while start < end and not (text[start].isalnum() or text[start] in "(#"):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Name(start, end, name.label, name.score) if end > start else None
