"""What worker processes do with a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ingest.files import open_regular, reason_of
from ingest.kinds import HEAD, may_be_container
from ingest.pages import Member, Page, Reach
from ingest.readers.border import guarded
from ingest.types import Failure, ParsedDocument

Result = ParsedDocument | Failure | Page

_MIB = 1 << 20


def holds_many(path: Path) -> bool:
    """Whether a file may hold documents of their own, by how it begins. Raises OSError."""
    with open_regular(path) as file:
        return may_be_container(file.read(HEAD), path.name)


def read_file(path: str, most: int, ocr: bool = False) -> Result:
    """Read one file with the reader of its kind; runs in a worker process."""
    # Only workers load the parsers: they are heavy, and not trusted in this process.
    from ingest.readers.members import read_page
    from ingest.readers.registry import read

    try:
        page = read_page(path, 0, Reach(ocr=ocr))
        if page is not None:
            return page
        with open_regular(Path(path)) as file:
            data = file.read(most + 1)
    except OSError as error:
        return Failure(path, reason_of(error))
    if len(data) > most:
        return Failure(path, f"too large: over {most / _MIB:.1f} MiB")
    return guarded(partial(read, ocr=ocr), data, path)


def read_on(path: str, start: int, reach: Reach) -> Page:
    """Read on in a file of many documents; runs in a worker process."""
    from ingest.readers.members import read_page

    try:
        page = read_page(path, start, reach)
        problem = reach.reason or "changed while it was being read"
    except OSError as error:
        page, problem = None, reason_of(error)
    return page or Page((Member(path, Failure(path, problem)),), None)
