"""JSON-lines corpora: each line a document with its own id. Streamed, so any size will do."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from ingest.files import open_regular
from ingest.groups import GroupsUnclear
from ingest.groups import named as named_groups
from ingest.readers.border import one_line, shown, storable
from ingest.readers.text import clean, is_blank
from ingest.types import Failure, ParsedDocument, Section, Withheld

_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_LINE_BYTES = 64 << 20
_LOOK_LINES = 16
_LOOK_BYTES = 4 << 20
_OWN_FIELDS = frozenset({"id", "text", "title", "groups"})
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """The document on line `line` (1 is the first) of a corpus.

    `sha256` covers title, text, metadata and groups in canonical form, so it changes when they do.
    """

    id: str
    line: int
    parsed: ParsedDocument
    sha256: str


class _BadLine(Exception):
    """Why a line is not a document."""


def is_corpus(path: Path) -> bool:
    """Whether a file is a corpus: by its suffix, and one of its first lines has id and text.

    Looking at a few lines keeps a corpus with a damaged first line from being taken for a text. A
    packed file that cannot be unpacked counts as one.
    Raises OSError when the file cannot be opened.
    """
    if not path.name.lower().endswith(_SUFFIXES):
        return False
    seen = 0
    with _open(path) as file:
        try:
            while seen < _LOOK_LINES and (line := file.readline(_LOOK_BYTES)):
                if not line.strip():
                    continue
                seen += 1
                # A line longer than the look shows its first fields only.
                if _has_form(line) or (len(line) == _LOOK_BYTES and _opens_with_id(line)):
                    return True
        except _DAMAGED:
            # Its name says what it was: reading it says what is wrong with it.
            return True
    return False


def _has_form(line: bytes) -> bool:
    try:
        _document(line)
    except _BadLine:
        return False
    return True


def _opens_with_id(line: bytes) -> bool:
    return line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{") and b'"id"' in line


def _open(path: Path) -> IO[bytes]:
    """The unpacked bytes; whether they are packed is told by the content, not the name."""
    raw = open_regular(path.resolve())
    if raw.peek(2)[:2] != b"\x1f\x8b":
        return raw
    return cast("IO[bytes]", _Gunzip(raw))


class _Gunzip(gzip.GzipFile):
    """A gzip stream that closes the file below it too."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        super().__init__(fileobj=raw, mode="rb")

    def close(self) -> None:
        super().close()
        self._raw.close()


def read_corpus(path: Path) -> Iterator[CorpusDocument | Failure]:
    """The documents of a corpus in order, and a failure "FILE:LINE" for each line that is none.

    A damaged file ends with one failure; what came before it is kept. Raises OSError when the
    file cannot be opened.
    """
    ids: set[str] = set()
    number = 0
    with _open(path) as file:
        try:
            for number, line in _lines(file):
                if line is not None and not line.strip(b"\xef\xbb\xbf \t\r\n\f\v"):
                    continue
                yield _one(line, number, path, ids)
        except (*_DAMAGED, OSError) as error:
            yield Failure(f"{path}:{number + 1}", f"corrupt: {one_line(error)}")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines; None for one that is too long to hold."""
    number = 0
    while line := file.readline(_LINE_BYTES):
        number += 1
        if line.endswith(b"\n") or len(line) < _LINE_BYTES:
            yield number, line
            continue
        while (rest := file.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
            continue
        yield number, None


def _one(line: bytes | None, number: int, path: Path, ids: set[str]) -> CorpusDocument | Failure:
    identity = ""
    try:
        if line is None:
            raise _BadLine(f"too large: a line of over {_LINE_BYTES >> 20} MiB")
        identity, fields = _document(line)
        if identity in ids:
            raise _BadLine(f"duplicate id {identity!r}")
        parsed = _parsed(identity, fields)
    except _BadLine as error:
        return Failure(f"{path}:{number}", shown(str(error)))
    except GroupsUnclear as error:
        return Withheld(f"{path}:{number}", f"groups: {error.reason}", identity)
    ids.add(identity)
    return CorpusDocument(identity, number, parsed, _sha256(parsed))


def _document(line: bytes) -> tuple[str, Mapping[str, object]]:
    """The id and the fields of a line. Raises _BadLine."""
    try:
        fields = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _BadLine("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON: {one_line(error)}") from error
    if not isinstance(fields, dict):
        raise _BadLine("not an object with id and text")
    identity = fields.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | float):
        raise _BadLine("no id" if identity is None else "id is neither a string nor a number")
    if not isinstance(fields.get("text"), str):
        raise _BadLine("no text" if fields.get("text") is None else "text is not a string")
    identity = clean(_scalar(identity))
    if not identity.strip():
        raise _BadLine("no id")
    return identity, fields


def _parsed(identity: str, fields: Mapping[str, object]) -> ParsedDocument:
    text = str(fields["text"])
    if is_blank(text):
        raise _BadLine("empty")
    title = fields.get("title")
    named = title if isinstance(title, str) and title.strip() else identity
    metadata = {
        key: _scalar(value)
        for key, value in fields.items()
        if key not in _OWN_FIELDS and isinstance(value, str | int | float)
    }
    groups = named_groups(fields["groups"]) if "groups" in fields else None
    return storable(ParsedDocument(text, named, (Section(0, len(text)),), metadata, groups))


def _scalar(value: str | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _sha256(parsed: ParsedDocument) -> str:
    covered: list[object] = [parsed.title, parsed.text, dict(parsed.metadata)]
    if parsed.groups is not None:
        covered.append(sorted(parsed.groups))
    canonical = json.dumps(covered, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
