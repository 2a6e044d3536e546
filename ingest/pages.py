"""What a file that holds many documents gives, page by page."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.groups import Groups
from ingest.types import Failure, ParsedDocument

SEPARATOR = "!/"
"""Between a file's path and the name of what lies in it: `mail.eml!/report.pdf`."""
PAGE_MEMBERS = 1000
EVERYTHING = 99
"""A depth that no file has."""


@dataclass(frozen=True, slots=True)
class Member:
    """A document in a file. Its identity is `FILE!/name`, or FILE for a message's own text.

    `groups` are those that an archive around it names. `own` marks a message's own text: as
    content it is not the same as the file's bytes.
    """

    identity: str
    result: ParsedDocument | Failure
    sha256: str = ""
    size: int = 0
    own: bool = False
    groups: Groups | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Members in order; the rest begins at `following`, None at the end.

    `reason` says why an empty page is empty: its task did not survive.
    """

    members: tuple[Member, ...]
    following: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of a file is read: `parts` of it at most, `depth` levels below them.

    With depth 0 only the text of messages is read and archives are listed, with -1 parts are
    only named; what is not read fails for `reason`. With `ocr`
    pictures of text are read too.
    """

    parts: int = PAGE_MEMBERS
    depth: int = EVERYTHING
    reason: str = ""
    ocr: bool = False
