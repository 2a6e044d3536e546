"""OpenDocument files: texts, sheets, slides and drawings."""

from __future__ import annotations

import zipfile

from ingest.errors import UnreadableFile
from ingest.readers.odf import OdfWalker
from ingest.readers.package import feed, fields, member, open_package
from ingest.readers.text import stem
from ingest.types import ParsedDocument

_META, _MANIFEST = "meta.xml", "META-INF/manifest.xml"
_META_NAMES = {
    "dc:title": "title",
    "meta:initial-creator": "author",
    "dc:creator": "editor",
    "dc:subject": "subject",
    "dc:description": "description",
    "dc:language": "language",
    "meta:keyword": "keywords",
    "meta:creation-date": "created",
    "dc:date": "modified",
}


def read_odt(data: bytes, path: str) -> ParsedDocument:
    """An ODT, ODS, ODP or ODG file. Sheets read like those of Excel; slides are pages.

    Comments and tracked deletions are left out. Raises UnreadableFile (encrypted, corrupt,
    too_large).
    """
    with open_package(data, path, "OpenDocument") as archive:
        _check_encryption(archive, path)
        content = member(archive, "content.xml", path)
        metadata = _metadata(archive)
    walker = OdfWalker(path)
    feed(content, walker, path)
    flow = walker.flow
    title = metadata.get("title") or walker.title or stem(path)
    return ParsedDocument(flow.text, title, flow.sections, metadata)


def _check_encryption(archive: zipfile.ZipFile, path: str) -> None:
    names = archive.namelist()
    manifest = archive.read(_MANIFEST) if _MANIFEST in names else b""
    if b"encryption-data" in manifest or "encrypted-package" in names:
        raise UnreadableFile(path, "encrypted", "encrypted: needs a password")


def _metadata(archive: zipfile.ZipFile) -> dict[str, str]:
    found = fields(archive.read(_META), _META_NAMES) if _META in archive.namelist() else {}
    editor = found.pop("editor", "")
    return found if "author" in found or not editor else {**found, "author": editor}
