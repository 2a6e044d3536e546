"""The border between readers and the rest: whatever a reader does, out comes one of two values."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from ingest.errors import UnreadableFile
from ingest.metadata import normalised
from ingest.readers.text import clean, is_blank
from ingest.types import Failure, ParsedDocument, Section, Withheld

T = TypeVar("T")

_MIB = 1 << 20
_MAX_UNPACKED = 300 * _MIB
_MAX_UNPACKED_DENSE = 50 * _MIB
_MAX_RATIO = 200
_MAX_REASON = 200


def guarded(
    reader: Callable[[bytes, str], ParsedDocument], data: bytes, path: str
) -> ParsedDocument | Failure:
    """What `reader` makes of `data`, fit to be stored, or why it makes nothing of it."""
    parsed = attempt(lambda: reader(data, path), path)
    if isinstance(parsed, Failure):
        return parsed
    return Failure(path, "empty") if is_blank(parsed.text) else storable(parsed)


def attempt(work: Callable[[], T], path: str) -> T | Failure:
    """What `work` on a file of this name returns, or why it does not."""
    try:
        return work()
    except UnreadableFile as error:
        kind = Withheld if error.status == "withheld" else Failure
        return kind(path, shown(error.reason))
    except MemoryError:
        return Failure(path, "too large: reading it needs more memory than allowed")
    except RecursionError:
        return Failure(path, "corrupt: nested too deeply")
    except Exception as error:  # noqa: BLE001 - parsers of damaged files raise anything
        return Failure(path, f"corrupt: {one_line(error)}")


def one_line(error: BaseException) -> str:
    """An error as a short line."""
    words = shown(str(error))
    return f"{type(error).__name__}: {words}"[:_MAX_REASON] if words else type(error).__name__


def shown(text: str) -> str:
    """A reason as a short line of printable characters: it may quote what a document holds."""
    words = " ".join(text[: 2 * _MAX_REASON].split())[:_MAX_REASON]
    return "".join(char if char.isprintable() else "\ufffd" for char in words)


def storable(parsed: ParsedDocument) -> ParsedDocument:
    """Without lone surrogates and NULs, which no store takes; offsets stay as they are."""
    return replace(
        parsed,
        text=_swap(parsed.text),
        title=_label(parsed.title),
        sections=tuple(_section(section) for section in parsed.sections),
        metadata=_labels(parsed.metadata),
    )


def _swap(text: str) -> str:
    # Encoding is the fastest scan for surrogates; nearly every text passes it.
    if "\x00" in text or not _encodes(text):
        return "".join("\ufffd" if _is_unstorable(char) else char for char in text)
    return text


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_unstorable(char: str) -> bool:
    return char == "\x00" or "\ud800" <= char <= "\udfff"


def _label(text: str) -> str:
    return " ".join(clean(text).split())


def _labels(metadata: Mapping[str, str]) -> dict[str, str]:
    return normalised({clean(key): clean(value) for key, value in metadata.items()})


def _section(section: Section) -> Section:
    return replace(section, headings=tuple(_label(title) for title in section.headings))


def check_unpacked_size(archive: zipfile.ZipFile, packed: int, path: str) -> None:
    """Refuse what a zip format would unpack to, by its declared sizes, before any is unpacked.

    A member that holds more than it declares fails its own checksum instead of growing.
    Raises UnreadableFile (too_large).
    """
    unpacked = sum(_declared(archive))
    dense = unpacked > _MAX_UNPACKED_DENSE and unpacked > _MAX_RATIO * packed
    if unpacked > _MAX_UNPACKED or dense:
        raise UnreadableFile(path, "too_large", f"too large: unpacks to {unpacked // _MIB} MiB")


def _declared(archive: zipfile.ZipFile) -> Iterator[int]:
    return (member.file_size for member in archive.infolist())
