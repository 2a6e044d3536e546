"""National identity numbers: one shape and one published check a country, and crypto addresses.

The checks are written from the rules of the issuing offices; a number that passes one by chance is
told from a plain number by the words around it, where its check is weak.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.safety.checks import digits_of, luhn
from rag.safety.coins import bech32, ethereum
from rag.safety.rows import row

_DIHEDRAL = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_SPAIN = "TRWAGMYFPDXBNJZSQVHLCKE"
_ITALY_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25)
_ITALY_LETTERS = (*_ITALY_ODD, 24, 23)


def _weighed(text: str, weights: Sequence[int]) -> int:
    return sum(int(d) * w for d, w in zip(digits_of(text), weights, strict=False))


def aadhaar(text: str) -> bool:
    """Indian Aadhaar: Verhoeff's check over the dihedral group of order ten (1969)."""
    total = 0
    for place, digit in enumerate(reversed(digits_of(text))):
        value = int(digit)
        for _ in range(place % 8):
            value = _TURN[value]
        total = int(_DIHEDRAL[total][value])
    return total == 0 and len(set(digits_of(text))) > 2


def pesel(text: str) -> bool:
    """Polish PESEL: weights 1, 3, 7, 9, and a month that can be."""
    total = _weighed(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return total % 10 == 0 and 1 <= int(text[2:4]) % 20 <= 12 and 1 <= int(text[4:6]) <= 31


def spain(text: str) -> bool:
    """Spanish DNI and NIE: the letter is the number modulo 23."""
    compact = re.sub(r"[ .-]", "", text).upper()
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return _SPAIN[int(number) % 23] == compact[-1]


def sweden(text: str) -> bool:
    """Swedish personnummer: Luhn over the last ten digits, and a day that can be."""
    digits = digits_of(text)[-10:]
    return luhn(digits) and 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) % 60 <= 31


def netherlands(text: str) -> bool:
    """Dutch BSN: the eleven test."""
    return _weighed(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(text)) > 2


def germany(text: str) -> bool:
    """German tax number (Steuer-ID): ISO 7064 MOD 11-10, and a digit that stands twice or more."""
    digits, product = digits_of(text), 10
    for digit in digits[:10]:
        rest = (int(digit) + product) % 10 or 10
        product = rest * 2 % 11
    return (11 - product) % 10 == int(digits[10]) and len(set(digits[:10])) in (8, 9)


def italy(text: str) -> bool:
    """Italian codice fiscale: its check letter."""
    values = [int(c, 36) - 10 if c.isalpha() else int(c) for c in text.upper()]
    total = sum(_ITALY_LETTERS[value] for value in values[:15:2]) + sum(values[1:15:2])
    return total % 26 == values[15]


def australia(text: str) -> bool:
    """Australian tax file number: weighted sum modulo 11."""
    return _weighed(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and len(set(digits_of(text))) > 2


def belgium(text: str) -> bool:
    """Belgian national number: 97 less the rest of the first nine digits."""
    digits = digits_of(text)
    key = int(digits[9:])
    return any(97 - int(born + digits[:9]) % 97 == key for born in ("", "2"))


_N, _E = r"(?<![\w.,/=-])", r"(?![\w-]|[.,]\d)"

NATIONAL = (
    row(
        "NATIONAL_ID",
        _N + r"[2-9]\d{3} \d{4} \d{4}" + _E,
        0.7,
        aadhaar,
        r"aadhaa?r|uidai?|identity|id|india",
        0.55,
    ),
    row("NATIONAL_ID", _N + r"\d{11}" + _E, 0.85, pesel, r"pesel|identity|poland|id"),
    row("NATIONAL_ID", _N + r"(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]" + _E, 0.8, spain),
    row("NATIONAL_ID", _N + r"(?:19|20)?\d{6}[-+]\d{4}" + _E, 0.75, sweden),
    row("NATIONAL_ID", _N + r"\d{9}" + _E, 0.8, netherlands, r"bsn|burgerservice\w*|sofi"),
    row("NATIONAL_ID", _N + r"[1-9]\d(?: ?\d{3}){3}" + _E, 0.8, germany, r"steuer\w*|idnr|tax id"),
    row(
        "NATIONAL_ID",
        r"\b[A-Za-z]{6}\d\d[A-EHLMPRSTa-ehlmprst]\d\d[A-Za-z]\d{3}[A-Za-z]\b",
        0.9,
        italy,
    ),
    row(
        "NATIONAL_ID", _N + r"\d{3} ?\d{3} ?\d{3}" + _E, 0.8, australia, r"tfn|tax file(?: number)?"
    ),
    row("NATIONAL_ID", _N + r"\d{3} ?\d{3} ?\d{3}" + _E, 0.8, luhn, r"sin|social insurance"),
    row("NATIONAL_ID", _N + r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d" + _E, 0.85, belgium),
    # The first line of a passport's machine-readable zone.
    row("PASSPORT", r"(?<![A-Z<])P[A-Z<][A-Z]{3}[A-Z<]{39}(?![A-Z<])", 0.95, needs=""),
    row("PASSPORT", r"(?<![A-Z0-9<])[A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MF<]\d{7}[A-Z0-9<]{14}\d\d", 0.95),
    row("CRYPTO", r"\b0x[0-9a-fA-F]{40}\b", 0.9, ethereum),
    row("CRYPTO", r"\b(?:bc1|tb1|ltc1)[02-9ac-hj-np-z]{11,71}\b", 0.9, bech32),
)
