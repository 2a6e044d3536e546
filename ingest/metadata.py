"""Metadata under a small set of names, so that one filter serves every format.

The set: title, author, date (published, created or sent), modified, language, keywords,
description. What has other names keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("authors", "creator", "creators", "by", "dc:creator"), "author"),
    **dict.fromkeys(("dc.creator", "article:author"), "author"),
    **dict.fromkeys(("published", "pubdate", "publishdate", "publish_date", "created"), "date"),
    **dict.fromkeys(("creationdate", "creation_date", "issued", "dcterms:created"), "date"),
    **dict.fromkeys(("dc:date", "dc.date", "article:published_time", "date_published"), "date"),
    **dict.fromkeys(("lastmod", "last_modified", "updated", "moddate", "mod_date"), "modified"),
    **dict.fromkeys(("dcterms:modified", "article:modified_time", "date_modified"), "modified"),
    **dict.fromkeys(("lang", "locale", "dc:language", "dc.language"), "language"),
    **dict.fromkeys(("tags", "keyword", "categories", "dc:subject"), "keywords"),
    **dict.fromkeys(("summary", "abstract", "dc:description"), "description"),
}
NAMES = ("title", "author", "date", "modified", "language", "keywords", "description")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*(?:[.@].*)?$")
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?([+\-Z])?(\d\d)?'?(\d\d)?'?")


def normalised(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with known names and ways of writing made one; empty values are left out.

    A name of the set itself wins over another name for the same thing, which then keeps its own.
    """
    found = {key.strip(): value.strip() for key, value in metadata.items() if value.strip()}
    taken = {key.lower() for key in found if key.lower() in NAMES}
    result: dict[str, str] = {}
    for key, value in found.items():
        low = key.lower()
        name = low if low in NAMES else _ALIASES.get(low, key)
        if name in NAMES and name != low:
            name = key if name in taken else name
            taken.add(name)
        result.setdefault(name, _value(name, value))
    return result


def _value(name: str, value: str) -> str:
    if name in ("date", "modified"):
        return iso_date(value)
    return _language(value) if name == "language" else value


def _language(value: str) -> str:
    """ "en_US.UTF-8" as "en-US"; what is no tag stays as it is."""
    if not _LANGUAGE.fullmatch(value):
        return value
    first, *rest = re.split(r"[-_]", re.split(r"[.@]", value)[0])
    parts = [part.upper() if len(part) == 2 else part for part in rest]
    return "-".join([first.lower(), *parts])


def iso_date(value: str) -> str:
    """A date or time in ISO 8601, with its offset where one is given; else as it was written."""
    for reading in (_from_iso, _from_pdf, _from_mail):
        try:
            return reading(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            # Not written that way: the next one may know it.
            continue
    return value


def _from_iso(value: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value).isoformat()
    if not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d", value):
        raise ValueError("not ISO 8601")
    return datetime.fromisoformat(value).isoformat()


def _from_pdf(value: str) -> str:
    match = _PDF_DATE.match(value)
    if match is None:
        raise ValueError("not a date of a PDF")
    year, *rest = (int(part) if part else None for part in match.groups()[:6])
    month, day, hour, minute, second = rest
    if year is None or month is None or day is None:
        raise ValueError("no day")
    if hour is None:
        return date(year, month, day).isoformat()
    sign = {"+": 1, "-": -1}.get(match[7] or "", 0)
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0)) * sign
    zone = timezone(offset) if offset else UTC
    moment = datetime(year, month, day, hour, minute or 0, second or 0, tzinfo=zone)
    return (moment if match[7] else moment.replace(tzinfo=None)).isoformat()


def _from_mail(value: str) -> str:
    return parsedate_to_datetime(value).isoformat()
