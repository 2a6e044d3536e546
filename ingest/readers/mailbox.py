"""MBOX: its messages as parts, found while streaming, so that a mailbox may be of any size."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

from ingest.errors import UnreadableFile
from ingest.readers.part import Part, harmless_path, short_name

_MIB = 1 << 20
_MAX_MESSAGE = 128 * _MIB
_MAX_LINE = 1 << 20
_FROM = b"From "
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADER = re.compile(rb"[!-9;-~]{1,100}:|>From ")
_TIME = re.compile(rb"\d:\d\d")
_ID = re.compile(rb"^message-id:\s*<?([^<>\s]{1,200})>?\s*$", re.IGNORECASE | re.MULTILINE)
_HEAD = 65536


@dataclass(frozen=True, slots=True)
class _Message:
    """The bytes of a message without its "From " line; None where there are too many."""

    data: bytes | None
    following: int


def mbox_parts(file: IO[bytes], path: str, start: int, nested: bool) -> Iterator[Part]:
    """The messages from byte `start` on, named by their Message-ID, else by their content."""
    del nested
    for message in _messages(file, start):
        yield Part(_name(message), message.following, partial(_load, message, path), kind="eml")


def _name(message: _Message) -> str:
    if message.data is None:
        return f"message-before-{message.following}.eml"
    head = message.data[:_HEAD].split(b"\n\n", 1)[0]
    found = _ID.search(head)
    digest = hashlib.sha256(message.data).hexdigest()[:16]
    named = found[1].decode("utf-8", errors="replace") if found is not None else ""
    return short_name(harmless_path(named.replace("/", "_")), digest) + ".eml"


def _load(message: _Message, path: str) -> bytes:
    if message.data is None:
        most = _MAX_MESSAGE // _MIB
        raise UnreadableFile(path, "too_large", f"too large: a message of over {most} MiB")
    return message.data


def _messages(file: IO[bytes], start: int) -> Iterator[_Message]:
    """Cut at each "From " line that follows a blank line and stands above a header.

    Where the first one tells a time, all must: mailers that do not quote such lines in their texts
    would else cut messages in two.
    """
    file.seek(start)
    lines: list[bytes] = []
    size, at, blank = 0, start, True
    line = _line(file)
    timed = _TIME.search(line) is not None
    while line:
        after = _line(file)
        opens = blank and line.startswith(_FROM) and _HEADER.match(after)
        if opens and (not timed or _TIME.search(line)):
            if size:
                yield _Message(_joined(lines, size), at)
            lines, size = [], 0
        else:
            size += len(line)
            if size <= _MAX_MESSAGE:
                lines.append(line)
        blank = line in (b"\n", b"\r\n")
        at += len(line)
        line = after
    if size:
        yield _Message(_joined(lines, size), at)


def _line(file: IO[bytes]) -> bytes:
    return file.readline(_MAX_LINE)


def _joined(lines: list[bytes], size: int) -> bytes | None:
    if size > _MAX_MESSAGE:
        return None
    data = b"".join(lines).replace(b"\r\n", b"\n")
    # The blank line before the next "From " belongs to the mailbox.
    data = data[:-1] if data.endswith(b"\n\n") else data
    return _QUOTED.sub(rb"\1", data)
