"""Runs of a text that say something in another writing: base64, hex, rot13, backwards, spelt out.

Only what decodes to words counts; hashes, keys and pictures decode to none. Pure and linear.
"""

from __future__ import annotations

import binascii
import codecs
import re
from base64 import b32decode, urlsafe_b64decode
from collections.abc import Iterator
from urllib.parse import unquote

SEPARATOR = ".\n\n"
"""Stands after each decoded run, so that two of them are never one sentence."""

Run = tuple[str, int, int, str]

_LONGEST = 8000
_BASE64 = re.compile(
    r"(?<![\w+/])[\w+/-]{20,}+(?:\r?\n[ \t]{0,8}[\w+/-]{16,}+){0,200}={0,2}", re.ASCII
)
_BASE32 = re.compile(r"\b[A-Z2-7]{24,}+={0,6}")
_HEX = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:[ ,:]{0,2}(?:0x)?[0-9A-Fa-f]{2}){11,}+")
_BLANK = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_LEAST_WORDS = 3

# Words of ours that an attack can hardly do without, as they look when turned.
_KEYS = (
    "ignore|instruction|previous|disregard|forget|override|prompt|system|answer|respond|assistant"
)
_BACKWARDS = re.compile(rf"(?i)\b(?:s?(?:{'|'.join(k[::-1] for k in _KEYS.split('|'))}))\b")
_ROT13 = re.compile(rf"(?i)\b(?:{codecs.encode(_KEYS, 'rot13')})f?\b")
_LINE = re.compile(r"[^\n]{1,1000}")

_GAP = r"[ .·*_-]"
_SPELT = re.compile(
    rf"(?<!\w)[^\W\d_]{_GAP}[^\W\d_]{_GAP}[^\W\d_](?:{_GAP}{{1,3}}[^\W\d_](?![^\W\d_])){{5,}}+"
)
_SPELT_BREAK = re.compile(r"[ .·*_-]{2,3}")
# With no wider gap between words, those that attacks are made of part them.
_LEXICON = re.compile(
    r"(?i)(ignore|disregard|forget|override|previous|above|prior|earlier|instructions?|system"
    r"|prompt|rules|reveal|print|answer|respond|reply|your|all|any|the|and|you|are|now|with|only)"
)
_CHAINED = re.compile(r"[^\W\d_]{2,24}+(?:[_.+/-]{1,2}[^\W\d_]{1,24}+){3,60}+")
# Not the marks of a link around it: an address with coded brackets is no order to fill them in.
_PERCENT = re.compile(r"(?<![\w%])[\w.,;:'-]{0,60}+(?:%[0-9a-fA-F]{2}[\w.,;:'-]{0,60}+){3,200}+")
_LINKS = re.compile(r"[_.+/-]+")


def decoded(text: str) -> Iterator[Run]:
    """(kind, start, end, what it says) of every run of `text` that says something else."""
    for kind, pattern, read in _READERS:
        for match in pattern.finditer(text):
            said = read(match[0][:_LONGEST])
            if said:
                yield kind, match.start(), match.end(), said
    for kind, pattern, turned in (("rot13", _ROT13, _rot13), ("backwards", _BACKWARDS, _reversed)):
        if pattern.search(text):
            for line in _LINE.finditer(text):
                if pattern.search(line[0]):
                    yield kind, line.start(), line.end(), turned(line[0])


def _base64(run: str) -> str:
    body = _BLANK.sub("", run).rstrip("=").replace("+", "-").replace("/", "_")
    # What stands before the run may be of its alphabet too: a path, a name.
    for skip in range(min(4, len(body) - 19)):
        part = body[skip:]
        whole = part[: len(part) - (len(part) % 4 == 1)]
        if said := _words(urlsafe_b64decode(whole + "=" * (-len(whole) % 4))):
            return said
    return ""


def _base32(run: str) -> str:
    body = run.rstrip("=")
    body = body[: len(body) // 8 * 8]
    return _words(b32decode(body)) if body else ""


def _hex(run: str) -> str:
    digits = re.sub(r"0x|[^0-9A-Fa-f]", "", run)
    return _words(binascii.unhexlify(digits[: len(digits) // 2 * 2]))


def _words(data: bytes) -> str:
    """The bytes as text if they are words of some language, "" if not."""
    text = data.decode("utf-8", "ignore")
    if len(text) < 0.9 * len(data.decode("utf-8", "replace")):
        return ""
    written = sum(c.isalpha() or c.isspace() for c in text)
    if written < 0.75 * len(text) or not all(c.isprintable() or c.isspace() for c in text):
        return ""
    return text if len(_WORD.findall(text)) >= _LEAST_WORDS else ""


def _spelt(run: str) -> str:
    words = _SPELT_BREAK.split(run)
    joined = [re.sub(_GAP, "", word) for word in words]
    if len(joined) > 1:
        return " ".join(joined)
    return " ".join(part for part in _LEXICON.split(joined[0]) if part)


def _chained(run: str) -> str:
    return _LINKS.sub(" ", run)


def _rot13(line: str) -> str:
    return codecs.encode(line, "rot13")


def _reversed(line: str) -> str:
    return line[::-1]


_READERS = (
    ("base64", _BASE64, _base64),
    ("base32", _BASE32, _base32),
    ("hexadecimal", _HEX, _hex),
    ("percent signs", _PERCENT, unquote),
    ("letters apart", _SPELT, _spelt),
    ("words in a chain", _CHAINED, _chained),
)
