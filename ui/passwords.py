"""Passwords as salted scrypt hashes, each a line that names its parameters (RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass
from threading import BoundedSemaphore

SHORTEST, LONGEST = 8, 1024
_LN, _R, _P = 15, 8, 3  # 32 MiB and about a quarter of a second
_SALT, _HASH = 16, 32
_MOST_MEMORY = 1 << 28
# A check takes memory and time of others; more than two at once wait.
_TURN = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class _Line:
    """`scrypt$LN$R$P$SALT$HASH`; the last two in base64."""

    ln: int
    r: int
    p: int
    salt: bytes
    hash: bytes


def too_weak(password: str) -> str | None:
    """What is wrong with a new password; None for nothing."""
    if len(password) < SHORTEST:
        return f"a password needs at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"a password has at most {LONGEST} characters"
    return None


def hashed(password: str) -> str:
    """A new line for `password`, with a salt of its own."""
    line = _Line(_LN, _R, _P, secrets.token_bytes(_SALT), b"")
    found = _derive(password, line)
    return f"scrypt${_LN}${_R}${_P}${b64encode(line.salt).decode()}${b64encode(found).decode()}"


def matches(password: str, text: str | None) -> bool:
    """Whether `password` is that of the line. None takes as long, and never matches.

    Raises ValueError for what is not such a line.
    """
    line = _parse(text) if text is not None else _NOBODY
    same = hmac.compare_digest(_derive(password[:LONGEST], line), line.hash)
    return same and text is not None


def check_line(text: str) -> None:
    """Raises ValueError for what is not a line that `hashed` could have made."""
    _parse(text)


def _parse(text: str) -> _Line:
    name, ln, r, p, salt, found = text.split("$")
    line = _Line(int(ln), int(r), int(p), b64decode(salt, validate=True), b64decode(found))
    cost = 128 * line.r << line.ln if 1 <= line.ln <= 24 else _MOST_MEMORY
    bounded = 1 <= line.r <= 32 and 1 <= line.p <= 16 and cost < _MOST_MEMORY
    if name != "scrypt" or not bounded or len(line.hash) != _HASH or len(line.salt) < _SALT:
        raise ValueError("no scrypt hash within bounds")
    return line


def _derive(password: str, line: _Line) -> bytes:
    words = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    with _TURN:
        return hashlib.scrypt(
            words,
            salt=line.salt,
            n=1 << line.ln,
            r=line.r,
            p=line.p,
            maxmem=_MOST_MEMORY,
            dklen=_HASH,
        )


_NOBODY = _Line(_LN, _R, _P, bytes(_SALT), bytes(_HASH))
