"""Which documents are meant: by id, by path, or by what their metadata says."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ingest.errors import KnowledgeBaseError
from ingest.schema import live

_DOCUMENTS = f"""
  SELECT identity, path, title, metadata, names FROM contents
  JOIN group_sets ON group_sets.id = contents.group_set
  JOIN paths ON paths.content = contents.row AND {live("paths")}
  WHERE {live("contents")} ORDER BY paths.row
"""


class UnknownDocument(KnowledgeBaseError):
    """No document of this id or path, or none that a condition holds of."""

    def __init__(self, path: Path, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(path, f"holds no document {wanted}")


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` is `document`, `path` (itself or a folder above), `title`, `group`, or metadata."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition | None:
        """KEY=VALUE; None for anything else."""
        key, equals, value = text.partition("=")
        return cls(key.strip(), value.strip()) if equals and key.strip() else None

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents by id or path, and those of which every condition holds."""

    documents: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.documents and not self.where


def resolve(
    connection: sqlite3.Connection, directory: Path, generation: int, selection: Selection
) -> list[str]:
    """The ids of the selected documents. Raises UnknownDocument, KnowledgeBaseError (none named).

    Those named by id or path are found in every generation on disk.
    """
    found = [
        name for wanted in selection.documents for name in _named(connection, directory, wanted)
    ]
    if selection.where:
        met = meeting(connection, generation, selection.where)
        if not met:
            raise UnknownDocument(directory, "with " + " and ".join(map(str, selection.where)))
        found += met
    if selection.empty:
        raise KnowledgeBaseError(directory, "nothing is left to finish; name a document")
    return list(dict.fromkeys(found))


def _named(connection: sqlite3.Connection, directory: Path, wanted: str) -> list[str]:
    """By id; else every document of a file of this path."""
    known = connection.execute("SELECT 1 FROM paths WHERE identity = ?", (wanted,)).fetchone()
    if known is not None:
        return [wanted]
    try:
        path = str(Path(wanted).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        path = wanted
    rows = connection.execute(
        "SELECT DISTINCT identity FROM paths WHERE path IN (:wanted, :path) OR identity = :path",
        {"wanted": wanted, "path": path},
    )
    found = [identity for (identity,) in rows]
    if not found:
        raise UnknownDocument(directory, repr(wanted))
    return found


def meeting(
    connection: sqlite3.Connection, generation: int, where: tuple[Condition, ...]
) -> list[str]:
    """The ids of a generation's documents of which every condition holds."""
    rows = connection.execute(_DOCUMENTS, {"g": generation})
    return [row[0] for row in rows if all(_holds(condition, row) for condition in where)]


def _holds(condition: Condition, row: tuple[Any, ...]) -> bool:
    identity, path, title, metadata, groups = row
    value = condition.value
    if condition.key == "document":
        return bool(identity == value)
    if condition.key == "path":
        wanted = PurePath(value)
        return wanted == PurePath(path) or wanted in PurePath(path).parents
    if condition.key == "title":
        return bool(title == value)
    if condition.key == "group":
        return value in json.loads(groups)
    found = json.loads(metadata).get(condition.key)
    return value in found if isinstance(found, list) else found == value
