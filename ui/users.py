"""Who may sign in at the page: names, groups and hashes of passwords, in a private TOML file.

Each look-up reads the file: a change counts at a reader's next step.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rag.errors import SurefootError
from ui.passwords import check_line, hashed, too_weak

NAME = "users.toml"
_LONGEST_NAME = 100
_HEAD = "# Who may sign in; changed by: surefoot users. Passwords are kept as hashes alone.\n"


class UsersError(SurefootError):
    """A user that can't be made or found, or a file that can't be read."""


@dataclass(frozen=True, slots=True)
class User:
    """A reader who signs in. `password` is the hash's line.

    `groups` are those whose documents the user sees besides open ones; a `keeper` looks after the
    knowledge base.
    """

    name: str
    groups: frozenset[str]
    keeper: bool
    password: str


class Users:
    """The users of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, kb: Path) -> Users:
        """The users of this knowledge base."""
        return cls(kb / NAME)

    def exists(self) -> bool:
        return self.path.exists()

    def all(self) -> tuple[User, ...]:
        """Every user, by name; () without a file. Raises UsersError."""
        try:
            table = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsersError(f"{self.path} cannot be read: {error}") from error
        rows = table.get("users", {})
        if set(table) - {"users"} or not isinstance(rows, dict):
            raise UsersError(f"{self.path}: only tables [users.NAME] are known")
        return tuple(self._user(name, rows[name]) for name in sorted(rows))

    def find(self, name: str) -> User | None:
        wanted = plain(name)
        return next((user for user in self.all() if user.name == wanted), None)

    def add(self, name: str, groups: Iterable[str], keeper: bool, password: str) -> User:
        """A new user. Raises UsersError for a name that is taken, or a weak password."""
        user = User(plain(name), frozenset(groups), keeper, _new(password))
        _check(user)
        with self._changing() as users:
            if user.name in users:
                raise UsersError(f"there is a user named {user.name} already")
            users[user.name] = user
        return user

    def remove(self, name: str) -> User:
        """Sessions of this user end at their next step."""
        with self._changing() as users:
            return users.pop(self._named(users, name).name)

    def set_password(self, name: str, password: str) -> User:
        """Sessions that began with the old password end at their next step."""
        line = _new(password)
        with self._changing() as users:
            user = replace(self._named(users, name), password=line)
            users[user.name] = user
        return user

    def _named(self, users: dict[str, User], name: str) -> User:
        user = users.get(plain(name))
        if user is None:
            raise UsersError(f"{self.path} has no user named {plain(name)}")
        return user

    def _user(self, name: str, row: Any) -> User:
        try:
            if not isinstance(row["groups"], list):
                raise TypeError("groups are a list")
            user = User(name, frozenset(row["groups"]), row["keeper"], row["password"])
            check_line(user.password)
            _check(user)
        except (KeyError, TypeError, ValueError, AttributeError, UsersError) as error:
            raise UsersError(f"{self.path}: user {name} is incomplete or damaged") from error
        return user

    @contextmanager
    def _changing(self) -> Iterator[dict[str, User]]:
        """The users by name; what the body makes of them is kept, whole or not at all."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                users = {user.name: user for user in self.all()}
                yield users
                _replace(self.path, _HEAD + "".join(map(_row, users.values())))
            finally:
                os.close(folder)
        except OSError as error:
            raise UsersError(f"{self.path} cannot be written: {error.strerror}") from error


def plain(name: str) -> str:
    """One way to write a name, whatever way it was typed."""
    return unicodedata.normalize("NFKC", name).strip()


def _new(password: str) -> str:
    if problem := too_weak(password):
        raise UsersError(problem)
    return hashed(password)


def _check(user: User) -> None:
    if not (0 < len(user.name) <= _LONGEST_NAME and user.name.isprintable()):
        raise UsersError(f"a name has 1 to {_LONGEST_NAME} printable characters")
    if not all(group and group.isprintable() for group in user.groups):
        raise UsersError("a group must have a printable name")
    if not isinstance(user.keeper, bool):
        raise TypeError("keeper is true or false")


def _row(user: User) -> str:
    """A table. A JSON string of printable characters is a TOML string too."""
    values = {"groups": sorted(user.groups), "keeper": user.keeper, "password": user.password}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f"\n[users.{json.dumps(user.name, ensure_ascii=False)}]", *lines, ""])


def _replace(path: Path, text: str) -> None:
    """Readable by its owner alone from the first moment."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        file = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()
