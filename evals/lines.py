"""Files of lines, plain or gzipped, read as a stream; complaints name file and line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from evals.errors import CaseError
from ingest.errors import SurefootError

MAX_LINE = 64 << 20
_DAMAGED = (OSError, EOFError, UnicodeDecodeError)


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The unpacked bytes; whether they are packed is told by the content, not the name.

    Raises SurefootError, also for what goes wrong while they are read.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        with cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb") as stream:
            yield stream
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise SurefootError(f"cannot read {path}: {reason}") from error


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that aren't blank, with their numbers. Raises CaseError, SurefootError."""
    number = 0
    with unpacked(path) as stream:
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise CaseError(f"{path}:{number}", f"is longer than {MAX_LINE >> 20} MiB")
            if line.strip():
                yield number, line
