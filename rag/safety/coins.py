"""Addresses of coins: Ethereum's mixed case (EIP-55) and bech32 (BIP 173, BIP 350).

Both checks are written from their specifications. Bitcoin's older form is left to Presidio.
"""

from __future__ import annotations

_LANE = (1 << 64) - 1
_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32, _BECH32M = 1, 0x2BC830A3
_RATE = 136


def ethereum(text: str) -> bool:
    """An address whose capitals are right, or one in a single case, which says nothing of it."""
    digits = text[2:]
    letters = [c for c in digits if c.isalpha()]
    if len(set(digits.lower())) < 6:
        return False
    if all(map(str.islower, letters)) or all(map(str.isupper, letters)):
        return True
    digest = keccak256(digits.lower().encode()).hex()
    return all(
        c.isupper() == (int(sign, 16) >= 8)
        for c, sign in zip(digits, digest, strict=False)
        if c.isalpha()
    )


def bech32(text: str) -> bool:
    """A segregated-witness address whose checksum is right."""
    prefix, _, data = text.rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    return _polymod(values + [_ALPHABET.index(c) for c in data]) in (_BECH32, _BECH32M)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate(_GENERATOR):
            check ^= generator if top >> i & 1 else 0
    return check


def keccak256(message: bytes) -> bytes:
    """Keccak with 256 bits as submitted to the SHA-3 contest, which Ethereum uses; hashlib's
    SHA3-256 pads otherwise."""
    padded = bytearray(message + b"\x01" + bytes(-(len(message) + 1) % _RATE))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for block in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            at = block + 8 * i
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def _permuted(a: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600] of lanes a[x][y]."""
    register = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[x - 1] ^ _turned(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, lane = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            lane, a[x][y] = a[x][y], _turned(lane, (t + 1) * (t + 2) // 2)
        a = [
            [a[x][y] ^ (~a[(x + 1) % 5][y] & a[(x + 2) % 5][y]) for y in range(5)] for x in range(5)
        ]
        for j in range(7):
            register = (register << 1) ^ (register >> 7) * 0x171
            a[0][0] ^= (register >> 1 & 1) << ((1 << j) - 1)
    return a


def _turned(lane: int, by: int) -> int:
    by %= 64
    return (lane << by | lane >> (64 - by)) & _LANE
