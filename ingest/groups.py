"""Who may see a document: what the command, its folders and the document itself say of it.

Each of them may only narrow what the others allow: a document is shown to the groups that all of
them name. Where they have none in common, or one of them cannot be read, it is shown to nobody.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

Groups = frozenset[str]

FOLDER_FILE = ".surefoot.toml"
_MAX_BYTES = 65536
_KEY = "groups"


class GroupsUnclear(Exception):
    """It cannot be told who may see a document. `reason` is one line for people."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def named(value: object) -> Groups:
    """The groups of a list of names, or of one name. Raises GroupsUnclear for all else.

    Naming nobody is refused: it could mean that all may see it, or that no one may.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise GroupsUnclear("groups is not a list of names")
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise GroupsUnclear("groups holds something that is not a name")
    if isinstance(value, str) and "," in value:
        raise GroupsUnclear("groups is one name with a comma; write a list")
    return frozenset(name.strip() for name in names)


def narrow(*claims: Groups | None) -> Groups:
    """The groups that every claim names; a claim that is None or empty allows everyone.

    Raises GroupsUnclear where claims have no group in common.
    """
    made = [claim for claim in claims if claim]
    shared = frozenset.intersection(*made) if made else frozenset[str]()
    if made and not shared:
        said = " and ".join(",".join(sorted(claim)) for claim in made)
        raise GroupsUnclear(f"no group in common between {said}")
    return shared


def from_table(table: Mapping[str, object]) -> Groups:
    """The groups of a folder file's table. Raises GroupsUnclear.

    An unknown key is refused: a slip in the one word that restricts must not open a folder.
    """
    unknown = sorted(set(table) - {_KEY})
    if unknown or _KEY not in table:
        raise GroupsUnclear(f"unknown key {unknown[0]!r}" if unknown else "names no groups")
    return named(table[_KEY])


def from_toml(data: bytes) -> Groups:
    """The groups of a folder file's bytes. Raises GroupsUnclear."""
    if len(data) > _MAX_BYTES:
        raise GroupsUnclear("is too large")
    try:
        return from_table(tomllib.loads(data.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise GroupsUnclear(f"is not TOML: {' '.join(str(error).split())[:100]}") from error


class FolderGroups:
    """What the `.surefoot.toml` files of a folder and all folders above it say. Remembers it."""

    def __init__(self) -> None:
        self._known: dict[Path, Groups | GroupsUnclear] = {}

    def of(self, folder: Path) -> Groups:
        """The groups that all of them name; empty where there is no such file.

        Raises GroupsUnclear where one cannot be read or they have no group in common.
        """
        # Not by recursion: folders nest deeper than Python's stack.
        waiting = [folder]
        while waiting[-1] not in self._known and waiting[-1].parent != waiting[-1]:
            waiting.append(waiting[-1].parent)
        for here in reversed(waiting):
            if here not in self._known:
                self._known[here] = self._at(here)
        found = self._known[folder]
        if isinstance(found, GroupsUnclear):
            raise GroupsUnclear(found.reason)
        return found

    def _at(self, folder: Path) -> Groups | GroupsUnclear:
        above = self._known.get(folder.parent, frozenset[str]())
        if isinstance(above, GroupsUnclear):
            return above
        file = folder / FOLDER_FILE
        try:
            own = _read(file)
            return narrow(above, own)
        except GroupsUnclear as error:
            return GroupsUnclear(f"{file}: {error.reason}")


def _read(file: Path) -> Groups | None:
    """The groups of a folder file; None where there is none. Raises GroupsUnclear."""
    try:
        # A pipe of that name would keep us waiting for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        # A dangling link is a file that was meant to be there.
        if file.is_symlink():
            raise GroupsUnclear("is a broken link") from None
        return None
    except OSError as error:
        raise GroupsUnclear((error.strerror or str(error)).lower()) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise GroupsUnclear("is not a regular file")
        return from_toml(os.read(descriptor, _MAX_BYTES + 1))
    except OSError as error:
        raise GroupsUnclear((error.strerror or str(error)).lower()) from error
    finally:
        os.close(descriptor)
