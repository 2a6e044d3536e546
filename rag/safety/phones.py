"""Phone numbers: shapes first, then the numbering plans of phonenumbers (Apache-2.0).

The shape decides which plans may vouch for a number: without a plus sign, a trunk zero, an area
code in parentheses, the North American 3-3-4 or a word such as "call", digits are just digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

REGIONS = ("US", "GB", "DE", "FR", "IN", "AU", "IT", "ES", "NL", "SE", "CH", "JP", "BR", "IE", "ZA")

_CANDIDATE = re.compile(
    r"(?<![\w.$€£#@=/-])(?<!\d[:/,])"
    r"\+?(?:\(\+?\d{1,5}\)|\d)(?:[ ().\u00a0/\u2010-\u2013-]{0,3}\d){5,14}"
    r"(?P<ext>,? ?(?:x|ext\.?|extension) ?\d{1,6})?(?![\w%°]|[.,:/-]\d)"
)
_CONTEXT = re.compile(
    r"(?i)\b(?:tel|telephone|telefon|phone|phones|cell|cellphone|mobile|mob|fax|call|calls|calling|"
    r"dial|sms|text|whatsapp|contact|"
    r"hotline|helpline|reach|reached|ring|number is|office|desk|ph)\b"
)
_LABELLED = re.compile(
    r"(?i)\b(?:tel|telephone|telefon|phone|cell|mobile|mob|fax|office|desk|home|work|number|ph)"
    r"(?: no\.?| number| is)?[\s.:*_()-]{0,5}$"
)
_NOT_PHONE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}).*"
    r"|(?:1[5-9]|20)\d\d ?[-–/ ] ?(?:1[5-9]|20)\d\d.*|\d{1,3}(?: \d{3})+|\d{1,3}(?:\.\d{3})+"
    r"|\d{1,3}(?:\.\d{1,3}){3}|\d{3}-\d{2}-\d{4}|\d+\.\d+"
)
_NOT_CONTEXT = re.compile(
    r"(?i)\b(?:isbn|issn|doi|order|invoice|ticket|id|version|v|ssn|card|account|acct|routing|serial"
    r"|member|policy|part|model|case|licen[cs]e|passport|reference|ref|tracking|nhs)"
    r"(?: (?:number|no\.?|num|#))?\W*$"
)
_NORTH_AMERICA = re.compile(r"(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}")
_TRUNK = re.compile(r"\(?0\d{1,5}\)?[ ./–-].*\d|0\d{1,2}(?:[ .-]\d{2}){4}")
_FRENCH = re.compile(r"0\d(?:[ .-]?\d\d){4}")

Found = tuple[int, int, float]


def find_phones(text: str) -> Iterator[Found]:
    """(start, end, score) of every phone number."""
    for match in _CANDIDATE.finditer(text):
        shape = match[0][: match.start("ext") - match.start()] if match["ext"] else match[0]
        score = _score(shape, text[max(0, match.start() - 48) : match.start()], text[match.end() :])
        if score > 0:
            yield match.start(), match.end(), score


def _score(shape: str, before: str, after: str) -> float:
    if _NOT_CONTEXT.search(before):
        return 0.0
    labelled = _LABELLED.search(before) is not None
    named = labelled or bool(_CONTEXT.search(before) or _CONTEXT.search(after[:16]))
    if shape.lstrip("(").startswith(("+", "00")):
        return _international(shape, named)
    plain = labelled or (named and _NORTH_AMERICA.fullmatch(shape)) or _FRENCH.fullmatch(shape)
    if _NOT_PHONE.fullmatch(shape) and not plain:
        return 0.0
    if named:
        return 0.75
    if _NORTH_AMERICA.fullmatch(shape):
        return 0.7 if _valid(shape, ("US",)) else 0.55 if "(" in shape or "-" in shape else 0.0
    if shape.startswith(("0", "(0")) and (_TRUNK.fullmatch(shape) or _FRENCH.fullmatch(shape)):
        return 0.65 if _valid(shape, REGIONS[1:]) else 0.0
    return 0.0


def _international(shape: str, named: bool) -> float:
    digits = "+" + re.sub(r"\D", "", shape.replace("(0)", "")).removeprefix("00")
    try:
        number = phonenumbers.parse(digits, None)
    except phonenumbers.NumberParseException:
        return 0.7 if named else 0.0
    if phonenumbers.is_valid_number(number):
        return 0.9
    possible = "+" in shape and phonenumbers.is_possible_number(number)
    return 0.7 if named or possible else 0.0


def _valid(shape: str, regions: tuple[str, ...]) -> bool:
    return any(_valid_in(shape, region) for region in regions)


def _valid_in(shape: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(shape, region))
    except phonenumbers.NumberParseException:
        return False
