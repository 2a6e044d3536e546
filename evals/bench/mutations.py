"""Ways to damage a file, drawn from a seed: the same seed and number give the same file."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evals.bench.packages import archive
from evals.bench.specimens import Specimen, letter, specimens

T = TypeVar("T")
Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

_MOST_DAMAGES = 3
_MOST_REPEATED = 200_000
_WHOLE_SHARE = 0.15
_DEEP_SHARE = 0.7
_PACKED = ("in zip", "in mail", "in zip, in mail", "in mail, in zip")
_OTHER_NAMES = ("a.pdf", "a.docx", "a.csv", "a.html", "a.json", "a.eml", "a.zip", "a.mbox", "a")
_DIGITS = re.compile(rb"\d{1,12}")
_LARGE = (b"0", b"-1", b"65536", b"1048577", b"2147483648", b"999999999999", b"1e308")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file to be ingested; `what` says how it was made.

    Where `word` is not empty the file is whole, and a document of it must hold that word.
    """

    number: int
    suffix: str
    name: str
    data: bytes
    what: str
    word: str = ""

    @property
    def file_name(self) -> str:
        return f"{self.number:05}-{self.name}"


def mutant(seed: int, number: int) -> Mutant:
    """File `number` of a run: the first ones are sound, one for each specimen."""
    random = np.random.default_rng([seed, number])
    sound = [specimen for kind in specimens().values() for specimen in kind]
    if number < len(sound):
        chosen = sound[number]
        return Mutant(number, chosen.suffix, chosen.name, *_plain(chosen, number, "sound"))
    specimen = _pick(_pick(list(specimens().values()), random), random)
    if random.random() >= _WHOLE_SHARE:
        return _damaged(number, specimen, random)
    way = _pick((*_PACKED, "renamed"), random)
    return (
        _renamed(number, specimen, random) if way == "renamed" else _packed(number, specimen, way)
    )


def _plain(specimen: Specimen, number: int, what: str) -> tuple[bytes, str, str]:
    return specimen.numbered(number), what, specimen.word


def _renamed(number: int, specimen: Specimen, random: Random) -> Mutant:
    # What a text is, its name decides: a reader of another kind may well refuse it.
    name, data = _pick(_OTHER_NAMES, random), specimen.numbered(number)
    return Mutant(number, specimen.suffix, name, data, "renamed")


def _packed(number: int, specimen: Specimen, way: str) -> Mutant:
    """The sound file inside others. A compressed corpus is read only where it is a file itself."""
    name, (data, what, word) = specimen.name, _plain(specimen, number, way)
    for step in way.split(", "):
        if step == "in zip":
            name, data = "outer.zip", archive({f"inner/{name}": data})
        else:
            name, data = "outer.eml", letter(name, data, number)
    return Mutant(
        number, specimen.suffix, name, data, what, "" if specimen.suffix == "gz" else word
    )


def _damaged(number: int, specimen: Specimen, random: Random) -> Mutant:
    data, done = specimen.numbered(number), []
    # Damage from outside hardly ever passes a checksum; parsers must meet some too.
    deep = data.startswith(b"PK") and random.random() < _DEEP_SHARE
    for _ in range(int(random.integers(1, _MOST_DAMAGES + 1))):
        what = "inside" if deep else _pick(list(DAMAGES), random)
        data = DAMAGES[what](data, random)
        done.append(what)
    return Mutant(number, specimen.suffix, specimen.name, data, " + ".join(done))


def flip(data: bytes, random: Random) -> bytes:
    """Up to 20 bytes become others."""
    flipped = bytearray(data)
    for _ in range(int(random.integers(1, 21)) if data else 0):
        flipped[int(random.integers(len(data)))] ^= int(random.integers(1, 256))
    return bytes(flipped)


def cut(data: bytes, random: Random) -> bytes:
    """The end is missing."""
    return data[: _place(data, random)]


def drop(data: bytes, random: Random) -> bytes:
    """A piece within is missing."""
    start, end = _piece(data, random)
    return data[:start] + data[end:]


def swap(data: bytes, random: Random) -> bytes:
    """Two neighbouring pieces change places."""
    start, middle, end = sorted(_place(data, random) for _ in range(3))
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def junk(data: bytes, random: Random) -> bytes:
    """Up to 2,000 random bytes stand within."""
    at, size = _place(data, random), int(random.integers(1, 2001))
    return data[:at] + random.bytes(size) + data[at:]


def zeros(data: bytes, random: Random) -> bytes:
    """A piece is all zero bytes, as after a power cut."""
    start, end = _piece(data, random)
    return data[:start] + bytes(end - start) + data[end:]


def double(data: bytes, random: Random) -> bytes:
    """The file, and the file again."""
    del random
    return data + data


def repeat(data: bytes, random: Random) -> bytes:
    """A few bytes stand there thousands of times, which slow patterns do not like."""
    at, size = _place(data, random), int(random.integers(1, 65))
    piece, most = data[at : at + size], int(random.integers(1000, _MOST_REPEATED))
    return data[:at] + piece * (most // max(1, len(piece))) + data[at:]


def numbers(data: bytes, random: Random) -> bytes:
    """Some numbers are others, often far too large."""
    share = random.random()
    return _DIGITS.sub(
        lambda found: _pick(_LARGE, random) if random.random() < share * 0.2 else found[0], data
    )


def splice(data: bytes, random: Random) -> bytes:
    """A piece of a file of any format stands within."""
    other = _pick(_pick(list(specimens().values()), random), random).data
    start, end = _piece(other, random)
    at = _place(data, random)
    return data[:at] + other[start:end] + data[at:]


_BYTES: dict[str, Damage] = {
    "flip": flip,
    "cut": cut,
    "drop": drop,
    "swap": swap,
    "junk": junk,
    "zeros": zeros,
    "double": double,
    "repeat": repeat,
    "numbers": numbers,
    "splice": splice,
}


def inside(data: bytes, random: Random) -> bytes:
    """A member of a ZIP file is damaged, and packed again with the right checksum."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = {name: packed.read(name) for name in packed.namelist()}
    except Exception:  # noqa: BLE001 - it is no ZIP file, or not any more
        return _BYTES[_pick(list(_BYTES), random)](data, random)
    if members:
        name = _pick(list(members), random)
        members[name] = _BYTES[_pick(list(_BYTES), random)](members[name], random)
    return archive(members)


DAMAGES: dict[str, Damage] = {**_BYTES, "inside": inside}


def _place(data: bytes, random: Random) -> int:
    return int(random.integers(len(data) + 1))


def _piece(data: bytes, random: Random) -> tuple[int, int]:
    start = _place(data, random)
    return start, start + int(random.integers(len(data) - start + 1))


def _pick(choices: Sequence[T], random: Random) -> T:
    return choices[int(random.integers(len(choices)))]
