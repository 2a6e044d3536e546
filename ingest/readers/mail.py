"""E-mail by the standard library: the message as one document, its attachments as parts."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from functools import partial
from typing import IO, cast

from selectolax.lexbor import LexborHTMLParser

from ingest.errors import UnreadableFile
from ingest.readers.html import from_tree
from ingest.readers.part import Part, harmless_path, short_name
from ingest.readers.text import clean, decode, is_blank, stem
from ingest.types import ParsedDocument, Section

_SHOWN = ("From", "To", "Cc", "Date")
_MAX_HEADER = 2000
_MAX_PARTS = 2000
_STUB = 3
_ADDRESS = re.compile(r"\s*<[^<>]*>\s*$")
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_SUFFIXES = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
    "text/calendar": ".ics",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
    "application/json": ".json",
    "application/zip": ".zip",
    "message/rfc822": ".eml",
    "message/delivery-status": ".txt",
}


def read_mail(data: bytes, path: str) -> ParsedDocument:
    """The message's own text below its sender, receivers and date; the subject is the title.

    Attachments are documents of their own. Raises UnreadableFile (empty).
    """
    message = _parse(data)
    shown = [(name, _header(message, name)) for name in _SHOWN]
    head = "\n".join(f"{name}: {value}" for name, value in shown if value)
    body = _body(message, path)
    text = f"{head}\n\n{body.text}".strip("\n") if head else body.text
    if is_blank(text):
        raise UnreadableFile(path, "empty", "empty")
    shift = len(text) - len(body.text)
    sections = [Section(0, len(head))] if head else []
    for section in body.sections:
        sections.append(replace(section, start=section.start + shift, end=section.end + shift))
    title = _header(message, "Subject") or stem(path)
    return ParsedDocument(text, title, tuple(sections), _metadata(message))


def mail_parts(file: IO[bytes], path: str, start: int, nested: bool) -> Iterator[Part]:
    """Part 0 is the message itself; its attachments follow under their own names."""
    del path, nested
    file.seek(0)
    data = file.read()
    if start == 0:
        yield Part("", 1, lambda: data, own=True)
    message = _parse(data)
    found = [leaf for leaf, inline in _leaves(message) if not inline]
    names = _unique([_name(leaf, number) for number, leaf in enumerate(found, 1)])
    for number, (leaf, name) in enumerate(zip(found, names, strict=True), 1):
        if number >= start:
            kind = "eml" if leaf.get_content_type() == "message/rfc822" else None
            yield Part(name, number + 1, partial(_payload, leaf), kind=kind)


def _parse(data: bytes) -> EmailMessage:
    # No leading blank lines: with them all headers would be taken for the text.
    return email.message_from_bytes(data.lstrip(b"\r\n"), policy=policy.default)


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = str(message.get(name) or "")
    except Exception:  # noqa: BLE001 - the standard library's parser of headers raises anything
        # Damaged beyond its rules: then as it was written.
        raw = [value for key, value in message.raw_items() if key.lower() == name.lower()]
        value = str(raw[0]) if raw else ""
    return " ".join(clean(value).split())[:_MAX_HEADER]


def _metadata(message: EmailMessage) -> dict[str, str]:
    sender = _header(message, "From")
    found = {
        "author": _ADDRESS.sub("", sender).strip(' "') or sender,
        "from": sender,
        "to": _header(message, "To"),
        "cc": _header(message, "Cc"),
        "date": _header(message, "Date"),
        "language": _header(message, "Content-Language"),
        "message_id": _header(message, "Message-ID").strip("<>"),
    }
    return {name: value for name, value in found.items() if value}


def _leaves(message: EmailMessage) -> Iterator[tuple[EmailMessage, bool]]:
    """The parts that are no multiparts, and whether each is of the message's own text.

    Left out: signatures, and the pictures and other versions that belong to a body.
    """
    waiting: list[tuple[EmailMessage, str]] = [(message, "")]
    met = 0
    while waiting:
        part, within = waiting.pop()
        met += 1
        if met > _MAX_PARTS:
            raise ValueError(f"more than {_MAX_PARTS} parts")
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            parts = cast("list[EmailMessage]", part.get_payload())
            waiting.extend((inner, part.get_content_subtype()) for inner in reversed(parts))
        elif part.get_content_type() not in _SIGNATURES and not _belongs(part, within):
            yield part, _is_inline(part)


def _belongs(part: EmailMessage, within: str) -> bool:
    """Whether a part only serves the body beside it."""
    if part.get_content_disposition() == "attachment":
        return False
    picture = within == "related" and part.get_content_maintype() in ("image", "audio", "video")
    return picture or (within == "alternative" and part.get_content_type() == "text/calendar")


def _is_inline(part: EmailMessage) -> bool:
    # A multipart whose parts cannot be told apart is the text that it is.
    kind = part.get_content_type()
    text = kind in ("text/plain", "text/html") or kind.startswith("multipart/")
    return text and part.get_content_disposition() != "attachment" and not _file_name(part)


def _file_name(part: EmailMessage) -> str:
    try:
        return str(part.get_filename() or "")
    except Exception:  # noqa: BLE001 - as for other headers: a damaged one names nothing
        return ""


def _name(part: EmailMessage, number: int) -> str:
    kind = part.get_content_type()
    otherwise = f"attachment-{number}{_SUFFIXES.get(kind, '')}"
    name = harmless_path(_file_name(part)).rpartition("/")[2]
    if kind == "message/rfc822" and not name.lower().endswith(".eml"):
        name = f"{name or f'message-{number}'}.eml"
    return short_name(name, otherwise)


def _unique(names: list[str]) -> list[str]:
    """Names of which no two are the same: the second "a.txt" is "a.txt~2"."""
    taken: dict[str, int] = {}
    found = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        found.append(name if taken[name] == 1 else f"{name}~{taken[name]}")
    return found


def _payload(part: EmailMessage) -> bytes:
    if part.is_multipart():
        inner = cast("list[EmailMessage]", part.get_payload())
        # Headers as they are: folding damaged ones anew raises anything.
        kept = policy.default.clone(refold_source="none")
        return b"\n\n".join(message.as_bytes(policy=kept) for message in inner)
    return _decoded(part)


def _decoded(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _body(message: EmailMessage, path: str) -> ParsedDocument:
    """All texts of the message itself; of a text and its HTML twin only one."""
    texts = [(part, _read(part, path)) for part, inline in _leaves(message) if inline]
    lesser = _lesser(message, {id(part): len(parsed.text.strip()) for part, parsed in texts})
    kept = [parsed for part, parsed in texts if id(part) not in lesser]
    return _joined([parsed for parsed in kept if not is_blank(parsed.text)])


def _lesser(message: EmailMessage, sizes: Mapping[int, int]) -> set[int]:
    """The versions that say the same as another: HTML, unless the plain text is a stub of it."""
    found: set[int] = set()
    for part in message.walk():
        if part.get_content_type() != "multipart/alternative":
            continue
        inner = [version for version in part.walk() if id(version) in sizes]
        plain = [version for version in inner if version.get_content_type() == "text/plain"]
        pages = [version for version in inner if version.get_content_type() == "text/html"]
        said, shown = (sum(sizes[id(one)] for one in kind) for kind in (plain, pages))
        found.update(id(one) for one in (pages if said * _STUB >= shown else plain))
    return found


def _text(part: EmailMessage) -> str:
    payload = _decoded(part)
    charset = part.get_content_charset() or "utf-8"
    try:
        return clean(payload.decode(charset))
    except (LookupError, UnicodeDecodeError, ValueError):
        # A charset that is unknown or wrong: by the bytes themselves.
        return decode(payload, "body") if payload.strip() else ""


def _read(part: EmailMessage, path: str) -> ParsedDocument:
    text = _text(part)
    if part.get_content_type() == "text/html" and not is_blank(text):
        try:
            return from_tree(LexborHTMLParser(text), path)
        except UnreadableFile:
            # A page of pictures only: the message has no text of its own.
            return ParsedDocument("", "", ())
    text = text.strip("\n")
    return ParsedDocument(text, "", (Section(0, len(text)),) if text else ())


def _joined(texts: list[ParsedDocument]) -> ParsedDocument:
    whole, sections = "", list[Section]()
    for parsed in texts:
        whole = f"{whole}\n\n" if whole else ""
        shift = len(whole)
        whole += parsed.text
        for section in parsed.sections:
            sections.append(replace(section, start=section.start + shift, end=section.end + shift))
    return ParsedDocument(whole, "", tuple(sections))
