"""EPUB books: the chapters of the spine by the HTML reader, under the titles of the contents."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from ingest.errors import UnreadableFile
from ingest.readers.html import read_html
from ingest.readers.outline import HeadingPath
from ingest.readers.package import feed, fields, member, open_package
from ingest.readers.text import stem
from ingest.types import ParsedDocument, Section

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_NCX = "application/x-dtbncx+xml"
_NAMES = {
    "dc:title": "title",
    "dc:creator": "author",
    "dc:subject": "subject",
    "dc:description": "description",
    "dc:language": "language",
    "dc:publisher": "publisher",
    "dc:date": "date",
}
# XHTML may close any element at once; to an HTML parser "<title/>" opens what never ends.
_CLOSED = re.compile(
    rb"<((?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)[a-zA-Z][\w:-]*)"
    rb"((?:\s[^<>]{0,2000}?)?)/>"
)


Titles = tuple[str, ...]
"""A title of the table of contents below those that it stands under."""

_NOT_XML = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)\w{1,30};")


def read_epub(data: bytes, path: str) -> ParsedDocument:
    """An EPUB 2 or 3. Its chapters are the text, joined by blank lines; there are no pages.

    Chapters that are listed but missing are named in the metadata as `unreadable_chapters`.
    Raises UnreadableFile (encrypted, corrupt, empty).
    """
    with open_package(data, path, "EPUB") as archive:
        book = _book(archive, path)
        if _protected(archive, path) & set(book.chapters):
            raise UnreadableFile(path, "encrypted", "encrypted: protected against copying (DRM)")
        text, sections, missing = _join(archive, book)
    metadata = {**book.metadata, "chapters": str(len(book.chapters))}
    if missing:
        metadata["unreadable_chapters"] = ", ".join(missing)
    if not sections:
        status = "corrupt" if missing else "empty"
        raise UnreadableFile(path, status, "corrupt: no chapter inside" if missing else "empty")
    return ParsedDocument(text, metadata.get("title") or stem(path), sections, metadata)


@dataclass(frozen=True, slots=True)
class _Book:
    """Members that hold the chapters, in reading order, and what the contents list in each."""

    chapters: tuple[str, ...]
    titles: Mapping[str, list[Titles]]
    metadata: Mapping[str, str]


class _Elements:
    """Collects the elements of a file in order: local names and attributes by local name."""

    def __init__(self) -> None:
        self._found: list[tuple[str, dict[str, str]]] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._found.append((_local(tag), {_local(key): v for key, v in attributes.items()}))

    def end(self, tag: str) -> None:
        """Nesting does not matter."""

    def data(self, text: str) -> None:
        """Nor does text."""

    def close(self) -> None:
        """The end of the file."""

    def named(self, name: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self._found if found == name]


class _Contents:
    """The table of contents: titles by the file as written, of EPUB 3 (nav) or 2 (NCX)."""

    def __init__(self) -> None:
        self.titles: dict[str, list[Titles]] = defaultdict(list)
        self._inside = self._depth = 0
        self._target = ""
        self._label: list[str] = []
        self._path = HeadingPath()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _local(tag)
        kinds = next((value for key, value in attributes.items() if _local(key) == "type"), "")
        # Lists of pages and landmarks look the same, and are no titles.
        self._inside += name == "navMap" or (name == "nav" and "toc" in kinds.split())
        self._depth += name in ("ol", "navPoint")
        if name in ("a", "navLabel"):
            self._label.clear()
        self._target = attributes.get("href", "") if name == "a" else self._target
        if name == "content":
            self._enter(attributes.get("src", ""))

    def end(self, tag: str) -> None:
        name = _local(tag)
        self._inside -= name in ("nav", "navMap") and self._inside > 0
        self._depth -= name in ("ol", "navPoint")
        if name == "a":
            self._enter(self._target)

    def data(self, text: str) -> None:
        self._label.append(text)

    def close(self) -> None:
        """The end of the file."""

    def _enter(self, target: str) -> None:
        label = " ".join("".join(self._label).split())
        if self._inside and label:
            self._path.enter(self._depth, label)
            self.titles[target.partition("#")[0]].append(self._path.titles)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _elements(archive: zipfile.ZipFile, name: str, path: str) -> _Elements:
    found = _Elements()
    feed(member(archive, name, path), found, path)
    return found


def _resolve(base: str, target: str) -> str:
    """The member that a reference in the member `base` points to."""
    place = posixpath.join(posixpath.dirname(base), unquote(urlsplit(target).path))
    return posixpath.normpath(place)


def _book(archive: zipfile.ZipFile, path: str) -> _Book:
    roots = _elements(archive, _CONTAINER, path).named("rootfile")
    if not roots:
        raise UnreadableFile(path, "corrupt", "corrupt EPUB: it names no book")
    package = roots[0].get("full-path", "")
    elements = _elements(archive, package, path)
    items = {item.get("id"): item for item in elements.named("item") if item.get("href")}
    spine = [items.get(reference.get("idref")) for reference in elements.named("itemref")]
    chapters = (
        _resolve(package, item["href"])
        for item in spine
        if item is not None and not item.get("media-type", "").startswith("image/")
    )
    titles = _titles(archive, package, list(items.values()), path)
    metadata = fields(archive.read(package), _NAMES)
    return _Book(tuple(dict.fromkeys(chapters)), titles, metadata)


def _titles(
    archive: zipfile.ZipFile, package: str, items: list[dict[str, str]], path: str
) -> dict[str, list[Titles]]:
    """Titles by member, of the first table of contents that can be read."""
    navs = [item for item in items if "nav" in item.get("properties", "").split()]
    for item in navs + [item for item in items if item.get("media-type") == _NCX]:
        name, contents = _resolve(package, item["href"]), _Contents()
        try:
            feed(_NOT_XML.sub(b" ", member(archive, name, path)), contents, path)
        except UnreadableFile:
            # Contents that cannot be read cost the titles; the chapters have headings too.
            continue
        return {_resolve(name, target): titles for target, titles in contents.titles.items()}
    return {}


def _protected(archive: zipfile.ZipFile, path: str) -> set[str]:
    """Members that are encrypted; fonts often are, in books that anyone may read."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    references = _elements(archive, _ENCRYPTION, path).named("CipherReference")
    return {_resolve("", reference.get("URI", "")) for reference in references}


def _join(archive: zipfile.ZipFile, book: _Book) -> tuple[str, tuple[Section, ...], list[str]]:
    """The text of all chapters, their sections, and the names of chapters that are missing."""
    parts, sections, missing, offset = list[str](), list[Section](), list[str](), 0
    titles: list[Titles] = [()]
    for name in book.chapters:
        # A chapter that the contents do not name goes on where the one before ended.
        titles = book.titles.get(name, titles)
        try:
            chapter = read_html(_CLOSED.sub(rb"<\1\2></\1>", member(archive, name, name)), name)
        except UnreadableFile as error:
            missing += [name] if error.status != "empty" else []
            continue
        sections.extend(_under(titles, section, offset) for section in chapter.sections)
        parts.append(chapter.text)
        offset += len(chapter.text) + 2
    return "\n\n".join(parts), tuple(sections), missing


def _under(titles: list[Titles], section: Section, offset: int) -> Section:
    """A chapter's section under its title in the contents, which may be its own title too."""
    own = section.headings
    name = own[0].casefold() if own else ""
    listed = next((path for path in titles if path and path[-1].casefold() == name), None)
    headings = titles[0] + own if listed is None else listed + own[1:]
    start, end = section.start + offset, section.end + offset
    return replace(section, start=start, end=end, headings=headings)
