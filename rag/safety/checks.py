"""Checks that a string of characters can be the number it looks like: checksums and shapes.

Checksums: ISO/IEC 7812 (Luhn) for cards, ISO 7064 MOD 11-2 and MOD 97-10, Verhoeff (1969) for
Aadhaar, and the published rules of the issuing offices for the others.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter

_PLACEHOLDER = re.compile(
    r"(?i)^[<${\[*%]|x{4,}|\*{3,}|\.{3}|example|changeme|placeholder|redacted|your[_-]|^(?:none|null"
    r"|true|false|required|optional|string|undefined|process\.env.*|os\.environ.*)$"
)

_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE BI",
        18: "DK FO FI GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def digits_of(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isdigit())


def luhn(text: str) -> bool:
    """True if the digits pass the Luhn check and are not all one digit."""
    digits = [int(c) for c in digits_of(text)]
    if len(set(digits)) < 2:
        return False
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def card(text: str) -> bool:
    """A payment card: known prefix, 12 to 19 digits, Luhn."""
    digits = digits_of(text)
    prefix = re.match(r"(?:4|5[0-8]|6[0-9]|3[0-9]|2[2-7]|2131|1800)", digits)
    return bool(prefix) and 12 <= len(digits) <= 19 and luhn(digits)


def iban(text: str) -> bool:
    """An international bank account number: its country's length (ISO 13616) and MOD 97-10."""
    compact = re.sub(r"[ -]", "", text).upper()
    if len(compact) != _IBAN_LENGTHS.get(compact[:2], len(compact)):
        return False
    moved = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def ssn(text: str) -> bool:
    """A US social security or taxpayer number that can have been issued."""
    digits = digits_of(text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if len(set(digits)) == 1:
        return False
    return len(digits) == 9 and area not in ("000", "666") and group != "00" and serial != "0000"


def nhs(text: str) -> bool:
    """UK NHS number, modulus 11."""
    digits = [int(c) for c in digits_of(text)]
    if len(digits) != 10:
        return False
    rest = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return (0 if rest == 11 else rest) == digits[9]


def cpf(text: str) -> bool:
    """Brazilian CPF, two modulus 11 digits."""
    digits = [int(c) for c in digits_of(text)]
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for n in (9, 10):
        total = sum(d * (n + 1 - i) for i, d in enumerate(digits[:n]))
        if total * 10 % 11 % 10 != digits[n]:
            return False
    return True


def china_id(text: str) -> bool:
    """Chinese resident identity number, ISO 7064 MOD 11-2."""
    weights = [pow(2, 17 - i, 11) for i in range(17)]
    total = sum(int(c) * w for c, w in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def france_nir(text: str) -> bool:
    """French social security number with its key, MOD 97."""
    compact = "".join(text.split()).upper().replace("2A", "19").replace("2B", "18")
    return len(compact) == 15 and 97 - int(compact[:13]) % 97 == int(compact[13:])


def address_of_host(text: str) -> bool:
    """An IP address of one host: no netmask, loopback, wildcard, multicast or network."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        return False
    host = interface.ip
    if ":" in text and not _enough_groups(text):
        return False
    if host.is_loopback or host.is_unspecified or host.is_multicast or host.packed[0] == 255:
        return False
    return "/" not in text or host != interface.network.network_address


def plain_host(text: str) -> bool:
    """As `address_of_host`, and no section or version number such as 4.1.1.1."""
    octets = [int(part) for part in text.split("/")[0].split(".")]
    return address_of_host(text) and (octets[0] >= 10 or max(octets) >= 100)


def _enough_groups(text: str) -> bool:
    """Slices and times have colons too: an IPv6 address has three groups, or a long first one."""
    groups = [group for group in re.split(r"[:/%]", text) if group]
    return len(groups) >= 3 or (len(groups) == 2 and len(groups[0]) == 4)


def house_number(text: str) -> bool:
    """An address that does not start with what is rather a year."""
    return re.match(r"(?:1[5-9]|20)\d\d\b", text) is None


def mac(text: str) -> bool:
    digits = re.sub(r"[^0-9A-Fa-f]", "", text).upper()
    return len(digits) == 12 and len(set(digits)) > 1


def entropy(text: str) -> float:
    """Bits a character of the text's own distribution of characters."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def secret(text: str) -> bool:
    """A value made to be hard to guess: letters and digits mixed, high entropy, no placeholder."""
    mixed = re.search(r"\d", text) and re.search(r"[A-Za-z]", text)
    return bool(mixed) and entropy(text) >= 3.0 and not _PLACEHOLDER.search(text)


def link_secret(text: str) -> bool:
    """What a link carries as a key: letters and digits of high entropy, no placeholder."""
    return secret(text) and len(set(text)) > 6


def password(text: str) -> bool:
    """A value that reads as a password: not a plain word, no placeholder."""
    odd = re.search(r"[\d!@#$%^&*?+=~]", text[1:]) and re.search(r"[A-Za-z]", text)
    return bool(odd) and not _PLACEHOLDER.search(text) and not re.search(r"[()\[\]{}<>]", text)


def identifier(text: str) -> bool:
    """At least four digits, and more digits than letters or a mix as in document numbers."""
    return len(digits_of(text)) >= 4


def email(text: str) -> bool:
    """Not the address of a repository or an image size such as `icon@2x.png`."""
    suffixes = (".png", ".jpg", ".jpeg", ".svg", ".gif", ".webp")
    return not text.lower().startswith("git@") and not text.lower().endswith(suffixes)


def base64_text(text: str) -> bool:
    """A line of a key: upper case, lower case and digits mixed."""
    kinds = (r"[A-Z]", r"[a-z]", r"\d")
    return all(re.search(kind, text) for kind in kinds) and entropy(text) > 4.0
