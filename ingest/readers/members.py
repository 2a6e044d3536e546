"""What a file that holds many documents holds: each read, or named with why it is not.

Read in pages, so that no task takes long or returns much. A page whose task did not survive is
read again one part at a time, then less deep, until only what is to blame has failed.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

from ingest.files import open_regular
from ingest.groups import Groups, GroupsUnclear, narrow
from ingest.kinds import container_kind, sniff
from ingest.pages import PAGE_MEMBERS, SEPARATOR, Member, Page, Reach
from ingest.readers.archive import zip_parts
from ingest.readers.border import attempt, guarded
from ingest.readers.mail import mail_parts, read_mail
from ingest.readers.mailbox import mbox_parts
from ingest.readers.part import Part
from ingest.readers.registry import read
from ingest.types import Failure, ParsedDocument, Withheld

MAX_ARCHIVES = 2
MAX_MAILS = 4
_PAGE_CHARACTERS = 4 << 20
_PAGE_SECONDS = 5.0
_OPENERS: Mapping[str, Callable[[IO[bytes], str, int, bool], Iterator[Part]]] = {
    "zip": zip_parts,
    "mbox": mbox_parts,
    "eml": mail_parts,
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file we are: the name of what is around, and how deep that lies."""

    path: str
    depth: int = 0
    archives: int = 0
    mails: int = 0
    groups: Groups | None = None

    def inside(self, path: str, kind: str, groups: Groups | None) -> _Place:
        archives, mails = self.archives + (kind == "zip"), self.mails + (kind == "eml")
        return _Place(path, self.depth + 1, archives, mails, groups)

    def path_of(self, part: Part) -> str:
        return f"{self.path}{SEPARATOR}{part.name}" if part.name else self.path


def read_page(path: str, start: int, reach: Reach) -> Page | None:
    """The next members of the file from `start` on; None where it does not hold many documents.

    Raises OSError.
    """
    kind = container_kind(Path(path))
    if kind is None:
        return None
    with open_regular(Path(path)) as file:
        place = _Place(path, archives=int(kind == "zip"), mails=int(kind == "eml"))
        return _page(_walk(file, kind, place, start, reach), path, start, reach)


_Found = Iterator[tuple[int | None, Member]]
"""Members, each with where the part after its own begins."""


def _page(found: _Found, path: str, start: int, reach: Reach) -> Page:
    began, characters = time.monotonic(), 0
    members: list[Member] = []
    # Only whole parts: the place to go on from is where a part ends.
    for parts, (following, run) in enumerate(groupby(found, key=itemgetter(0)), 1):
        for _, member in run:
            members.append(member)
            if isinstance(member.result, ParsedDocument):
                characters += len(member.result.text)
        full = parts >= reach.parts or len(members) >= PAGE_MEMBERS
        if full or characters > _PAGE_CHARACTERS or time.monotonic() - began > _PAGE_SECONDS:
            return Page(tuple(members), following)
    if not members and start == 0:
        members.append(Member(path, Failure(path, "empty")))
    return Page(tuple(members), None)


def _walk(file: IO[bytes], kind: str, place: _Place, start: int, reach: Reach) -> _Found:
    """All that lies below a file, which is open already."""
    parts = _OPENERS[kind](file, place.path, start, place.depth > 0)
    met = start
    while (part := attempt(lambda: next(parts, None), place.path)) is not None:
        if isinstance(part, Failure):
            # Its directory or its headers cannot be read: what it still holds has no name.
            yield None, Member(place.path, part)
            return
        met = part.following
        for member in _members(part, place, reach):
            yield part.following, member
    if place.depth and not met:
        yield None, Member(place.path, Failure(place.path, "empty"))


def _members(part: Part, place: _Place, reach: Reach) -> Iterator[Member]:
    """The document that a part is, or those that it holds."""
    identity = place.path_of(part)
    try:
        groups = narrow(place.groups, part.groups) or None
    except GroupsUnclear as error:
        yield Member(identity, Withheld(identity, f"groups: {error.reason}"))
        return
    # A message's own text lies where the message does, not below it.
    if place.depth - (part.own and place.depth > 0) > reach.depth:
        yield Member(identity, Failure(identity, reach.reason))
        return
    data = attempt(part.load, identity)
    if isinstance(data, Failure):
        yield Member(identity, data)
        return
    kind = None if part.own else part.kind or sniff(data, part.name)
    if kind is not None and kind in _OPENERS:
        yield from _nested(data, kind, place.inside(identity, kind, groups), reach)
    elif reach.depth == 0 and not part.own:
        yield Member(identity, Failure(identity, reach.reason))
    else:
        reader = read_mail if part.own else partial(read, ocr=reach.ocr)
        result = guarded(reader, data, identity)
        sha256 = hashlib.sha256(data).hexdigest()
        yield Member(identity, result, sha256, len(data), part.own, groups)


def _nested(data: bytes, kind: str, place: _Place, reach: Reach) -> Iterator[Member]:
    if place.archives > MAX_ARCHIVES or place.mails > MAX_MAILS:
        reason = f"nested too deeply: over {MAX_ARCHIVES} archives or {MAX_MAILS} messages"
        yield Member(place.path, Failure(place.path, reason))
        return
    for _, member in _walk(io.BytesIO(data), kind, place, 0, reach):
        yield member
