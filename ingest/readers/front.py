"""Front matter: the metadata, and the groups, that a text file carries above its text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import yaml

from ingest.errors import UnreadableFile
from ingest.groups import Groups, GroupsUnclear, named
from ingest.readers.text import body_start

_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\n(.*?)\n(\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_OPENS = re.compile(r"\ufeff?(?:---|\+\+\+)[ \t]*\n")
_RESTRICTS = re.compile(r"[ \t]*[\"']?groups[\"']?[ \t]*[:=]", re.IGNORECASE | re.MULTILINE)
_MAX_FRONT = 65536
_SCALARS = (str, int, float, date, time)
_GROUPS = "groups"


@dataclass(frozen=True, slots=True)
class Front:
    """What stands above a text. `groups` None: it does not say. The text begins at `start`."""

    metadata: Mapping[str, str]
    groups: Groups | None
    start: int


def front_matter(text: str, path: str) -> Front:
    """Metadata, groups and the offset behind the front matter; nothing where it does not parse.

    Raises UnreadableFile (withheld) where it means to restrict the document but cannot be read.
    """
    nothing = Front({}, None, body_start(text))
    if _OPENS.match(text) is None:
        return nothing
    match = _FRONT.match(text)
    if match is None or match.end() > _MAX_FRONT:
        return _unread(text[:_MAX_FRONT], path, nothing)
    try:
        loaded = _load(match[2], is_toml=match[1] == "+++")
        metadata = _scalars(loaded)
    except (yaml.YAMLError, ValueError, RecursionError):
        # Two horizontal rules around prose look like front matter: then it is just text.
        return _unread(match[2], path, nothing)
    return Front(metadata, _groups(loaded, path), match.end())


def _unread(front: str, path: str, nothing: Front) -> Front:
    if _RESTRICTS.search(front):
        reason = "groups: its front matter names groups but cannot be read"
        raise UnreadableFile(path, "withheld", reason)
    return nothing


def _load(front: str, is_toml: bool) -> Mapping[Any, Any]:
    """Raises YAMLError, ValueError, RecursionError."""
    loaded = tomllib.loads(front) if is_toml else yaml.safe_load(front)
    if not isinstance(loaded, Mapping):
        raise ValueError("not a mapping")
    return loaded


def _groups(loaded: Mapping[Any, Any], path: str) -> Groups | None:
    found = [value for key, value in loaded.items() if str(key).strip().lower() == _GROUPS]
    if not found:
        return None
    return read_groups(found[0] if len(found) == 1 else None, path)


def read_groups(value: object, path: str) -> Groups:
    """The groups that a document names. Raises UnreadableFile (withheld) for what is no list."""
    try:
        return named(value)
    except GroupsUnclear as error:
        raise UnreadableFile(path, "withheld", f"groups: {error.reason}") from error


def _scalars(loaded: Mapping[Any, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in loaded.items():
        items = value if isinstance(value, list) else [value]
        if items and all(isinstance(item, _SCALARS) for item in items):
            found[str(key)] = ", ".join(str(item) for item in items).strip()
    found.pop(_GROUPS, None)
    return found
