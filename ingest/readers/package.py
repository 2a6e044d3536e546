"""Formats that are XML in a zip: opening one, reading its members, its properties, its events."""

from __future__ import annotations

import codecs
import html
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Protocol
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ingest.errors import UnreadableFile
from ingest.readers.text import clean

_PASSWORD = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FIELD = re.compile(r"<(\w{1,20}:[\w-]{1,40})\b[^<>]{0,500}>([^<]+)</")
_CORE = "docProps/core.xml"
_CORE_NAMES = {
    "dc:title": "title",
    "dc:creator": "author",
    "dc:subject": "subject",
    "dc:description": "description",
    "dc:language": "language",
    "cp:keywords": "keywords",
    "dcterms:created": "created",
    "dcterms:modified": "modified",
}


class XmlEvents(Protocol):
    """Takes the elements of an XML file as they come; names are "{namespace}name"."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None: ...

    def end(self, tag: str) -> None: ...

    def data(self, text: str) -> None: ...

    def close(self) -> None: ...


def open_package(data: bytes, path: str, kind: str) -> zipfile.ZipFile:
    """The zip that a file of this kind is. Raises UnreadableFile (corrupt, encrypted)."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as error:
        raise UnreadableFile(path, "corrupt", f"corrupt {kind}: {error}") from error
    if any(member.flag_bits & _PASSWORD for member in archive.infolist()):
        raise UnreadableFile(path, "encrypted", "encrypted: needs a password")
    return archive


def member(archive: zipfile.ZipFile, name: str, path: str) -> bytes:
    """The bytes of a member. Raises UnreadableFile (corrupt) where it is missing or damaged."""
    try:
        return archive.read(name)
    except KeyError as error:
        raise UnreadableFile(path, "corrupt", f"corrupt: no {name} inside") from error
    except _DAMAGE as error:
        raise UnreadableFile(path, "corrupt", f"corrupt: {name} is damaged") from error


def feed(xml: bytes, target: XmlEvents, path: str) -> None:
    """Parse `xml` into events, never into a tree, so that depth and size cost no stack.

    Raises UnreadableFile (corrupt) for broken XML, and for XML that declares entities: honest
    files of these formats have none, and expanding them is a well-known bomb.
    """
    parser = DefusedXMLParser(target=target)
    try:
        parser.feed(xml)
        parser.close()
    except ParseError as error:
        raise UnreadableFile(path, "corrupt", f"corrupt XML: {error}") from error
    except DefusedXmlException as error:
        raise UnreadableFile(path, "corrupt", "corrupt XML: it declares entities") from error


def fields(xml: bytes, names: Mapping[str, str]) -> dict[str, str]:
    """Values of the flat elements in `names` ("prefix:name" to metadata key), each once.

    A pattern reads them: it needs no well-formed file and knows no entities to expand.
    """
    found: dict[str, dict[str, None]] = {}
    encoding = "utf-16" if xml.startswith(_UTF16) else "utf-8"
    for match in _FIELD.finditer(xml.decode(encoding, errors="replace")):
        key, value = names.get(match[1]), " ".join(clean(html.unescape(match[2])).split())
        if key and value:
            found.setdefault(key, {})[value] = None
    return {key: ", ".join(values) for key, values in found.items()}


def core_properties(archive: zipfile.ZipFile) -> dict[str, str]:
    """Title, author, dates and the like of a DOCX, PPTX or XLSX file, where it has them."""
    if _CORE not in archive.namelist():
        return {}
    return fields(archive.read(_CORE), _CORE_NAMES)
