"""Files that people send to a knowledge base: what they may be called, and where they lie.

Each lies in a folder of its own with a random name, inside the base's upload folder. Of the
sender's name only letters, digits and hyphens are kept, so that a citation says something.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ingest.errors import SurefootError

UPLOADS = "uploads"
# What people keep documents in. No corpora: their lines choose their own ids, also taken ones.
_KINDS = "pdf docx pptx xlsx odt ods odp epub html htm xhtml md markdown rst txt csv tsv json eml"
SUFFIXES = frozenset(f".{kind}" for kind in _KINDS.split())
_LONGEST_STEM = 60
_UNSAFE = re.compile(r"[\W_]+")
_PIECE = 1 << 20


class UploadError(SurefootError):
    """A file that is not taken. `code` is a fixed word, `str(error)` is for people."""

    def __init__(self, code: str, line: str) -> None:
        self.code = code
        super().__init__(line)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as somebody sends it: its name there, and its bytes."""

    name: str
    file: IO[bytes]


def safe_name(name: str) -> str:
    """A file name that can do no harm. Raises UploadError for one whose suffix is not taken."""
    path = PurePosixPath(name.replace("\\", "/"))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = " ".join(sorted(SUFFIXES))
        raise UploadError("unknown_suffix", f"files of these kinds are taken: {known}")
    stem = _UNSAFE.sub("-", path.stem).strip("-")[:_LONGEST_STEM].strip("-")
    return f"{stem or 'document'}{suffix}"


def write(sent: Sent, folder: Path, name: str, most: int) -> Path:
    """The file, below `folder`. Raises UploadError for more than `most` bytes, OSError."""
    place = folder.resolve() / secrets.token_hex(16) / name
    place.parent.mkdir(mode=0o700, parents=True)
    try:
        _copy(sent, place, most)
    except BaseException:
        remove([place])
        raise
    return place


def remove(places: Iterable[Path]) -> None:
    """Remove written files, each with its own folder."""
    for place in places:
        shutil.rmtree(place.parent, ignore_errors=True)


def remove_files(folder: Path, paths: Iterable[str]) -> None:
    """Remove those of these files that lie in the upload folder; others are not ours."""
    root = folder.resolve()
    remove(path for path in map(Path, paths) if path.is_relative_to(root))


def _copy(sent: Sent, place: Path, most: int) -> None:
    left = most
    with place.open("xb") as out:
        while piece := sent.file.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise UploadError("too_large", f"a file has more than {most:,} bytes")
            out.write(piece)
