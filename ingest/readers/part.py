"""A part of a file that holds many documents: an archive, a mailbox, a message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ingest.groups import Groups
from ingest.pages import SEPARATOR

_MAX_NAME = 300
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Part:
    """`load` gives its bytes and may raise anything; the part after it begins at `following`.

    `own` marks the text of a message itself, which goes by the name of its file. `groups` are
    those that the archive names for it; `kind` is given where it needs no guess.
    """

    name: str
    following: int
    load: Callable[[], bytes]
    own: bool = False
    groups: Groups | None = None
    kind: str | None = None


def harmless_path(name: str) -> str:
    """A name with neither root nor `..` nor control characters; "" where nothing is left."""
    steps = _CONTROLS.sub(" ", name.replace("\\", "/")).split("/")
    kept = [step.strip() for step in steps if step.strip() not in ("", ".", "..")]
    # "!/" within a name would look like a way into an archive.
    return "/".join(kept).replace(SEPARATOR, "/")


def short_name(path: str, otherwise: str) -> str:
    """The end of a harmless path, to be shown and to tell parts apart; it is never opened."""
    return path[-_MAX_NAME:].lstrip("/") or otherwise
