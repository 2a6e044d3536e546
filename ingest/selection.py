"""Which documents and passages are meant: by id, by path, or by what conditions hold of.

A search takes its conditions in: what they do not hold of is no candidate, however few are left.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ingest import failures
from ingest.conditions import DOCUMENT_KEYS, PASSAGE_KEYS, Condition, Where
from ingest.errors import KnowledgeBaseError
from ingest.schema import json_array, live
from ingest.vectors import Rows

_DOCUMENTS = f"""
  SELECT identity, path, title, metadata, names, contents.row FROM contents
  JOIN group_sets ON group_sets.id = contents.group_set
  JOIN paths ON paths.content = contents.row AND {live("paths")}
  WHERE {live("contents")} {{among}}
"""
_VISIBLE = "group_set IN (SELECT value FROM json_each(:sets))"
_MET = "substr(:contents, content, 1) = x'01'"
_KEYS = f"""
  SELECT has.key, count(*) FROM contents, json_each(contents.metadata) AS has
  WHERE {live("contents")} {{among}} GROUP BY 1 ORDER BY 1
"""


class UnknownDocument(KnowledgeBaseError):
    """No document of this id or path, or none that a condition holds of."""

    def __init__(self, path: Path, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(path, f"holds no document {wanted}")


class UnknownKey(KnowledgeBaseError):
    """A condition on what no document has. `known` are the names that can be asked for."""

    def __init__(self, path: Path, key: str, known: Sequence[str]) -> None:
        self.key = key
        self.known = tuple(known)
        super().__init__(path, f"knows no {key!r}; known are {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents by id or path, and those of which every condition holds."""

    documents: tuple[str, ...] = ()
    where: Where = ()

    @property
    def empty(self) -> bool:
        return not self.documents and not self.where


@dataclass(frozen=True, slots=True)
class KeyCount:
    """A name of metadata and how many documents have it."""

    key: str
    documents: int


def resolve(
    connection: sqlite3.Connection, directory: Path, generation: int, selection: Selection
) -> dict[str, str]:
    """The ids of the selected documents, each with why. Raises UnknownDocument.

    Those named by id or path are found in every generation on disk. Raises KnowledgeBaseError for
    an empty selection.
    """
    if selection.empty:
        raise KnowledgeBaseError(directory, "nothing is left to finish; name a document")
    found: dict[str, str] = {}
    if selection.where:
        found = meeting(connection, generation, selection.where)
        if not found:
            raise UnknownDocument(directory, "with " + " and ".join(map(str, selection.where)))
    for wanted in selection.documents:
        found |= dict.fromkeys(_named(connection, directory, wanted), f"named {wanted}")
    return found


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
    if not found and failures.recorded(connection, path):
        return [path]
    if not found:
        raise UnknownDocument(directory, repr(wanted))
    return found


def meeting(connection: sqlite3.Connection, generation: int, where: Where) -> dict[str, str]:
    """The ids of a generation's documents of which every condition holds, each with why."""
    rows = connection.execute(_DOCUMENTS.format(among="ORDER BY paths.row"), {"g": generation})
    return {
        row[0]: "; ".join(f"{item.key}: {_said(item.key, row)}" for item in where)
        for row in rows
        if all(_holds(item, row) for item in where)
    }


def chosen(
    connection: sqlite3.Connection, directory: Path, generation: int, where: Where
) -> frozenset[str]:
    """The ids as of `meeting`. Raises UnknownKey for a condition on what no document has."""
    met = frozenset(meeting(connection, generation, where))
    if not met:
        _require_known(where, keys(connection, generation), DOCUMENT_KEYS, directory)
    return met


def passages(
    connection: sqlite3.Connection,
    directory: Path,
    generation: int,
    sets: Iterable[int],
    where: Where,
) -> Rows:
    """The rows of the chunks with these group sets of which every condition holds.

    Raises UnknownKey for a condition on what no document with these group sets has.
    """
    values: dict[str, Any] = {"g": generation, "sets": json_array(sets)}
    of_document = [item for item in where if not item.of_passage]
    of_passage = [item for item in where if item.of_passage]
    among = f"{live('chunks')} AND {_VISIBLE}"
    if of_document:
        met = _contents(connection, values, of_document)
        if not len(met):
            known = keys(connection, generation, sets)
            _require_known(where, known, (*DOCUMENT_KEYS, *PASSAGE_KEYS), directory)
        among, values["contents"] = f"{among} AND {_MET}", mask(met)
    # Rows alone come from an index, without a look at the chunks.
    more = ", page, headings" if of_passage else ""
    found = connection.execute(f"SELECT row {more} FROM chunks WHERE {among}", values)
    rows = (row for row, *has in found if all(_holds_of_passage(item, *has) for item in of_passage))
    return np.fromiter(rows, dtype=np.int64)


def _contents(
    connection: sqlite3.Connection, values: Mapping[str, Any], where: Sequence[Condition]
) -> Rows:
    """The rows of the contents with a document of which every condition holds."""
    documents = connection.execute(_DOCUMENTS.format(among=f"AND {_VISIBLE}"), values)
    met = {row[-1] for row in documents if all(_holds(item, row) for item in where)}
    return np.fromiter(met, dtype=np.int64)


def mask(rows: Rows) -> bytes:
    """A byte for each number from 1 on: 1 for these."""
    flags = np.zeros(rows.max(initial=0), dtype=np.uint8)
    flags[rows - 1] = 1
    return flags.tobytes()


def _holds(condition: Condition, row: tuple[Any, ...]) -> bool:
    if condition.key == "group":
        return condition.value in json.loads(row[4])
    found = _said(condition.key, row)
    if found is not None and condition.key == "path":
        path, wanted = PurePath(found), PurePath(condition.value)
        return wanted == path or wanted in path.parents
    return found is not None and condition.meets(found)


def _said(key: str, row: tuple[Any, ...]) -> str | None:
    """What a document says under a key."""
    identity, path, title, metadata, groups, *_ = row
    if key == "group":
        return ", ".join(json.loads(groups))
    if key in DOCUMENT_KEYS:
        return str({"document": identity, "path": path, "title": title}[key])
    found = json.loads(metadata).get(key)
    return None if found is None else str(found)


def _holds_of_passage(condition: Condition, page: int | None, headings: str) -> bool:
    if condition.key == "heading":
        return condition.value in json.loads(headings)
    return page is not None and condition.meets(str(page))


def keys(
    connection: sqlite3.Connection, generation: int, sets: Iterable[int] | None = None
) -> tuple[KeyCount, ...]:
    """The metadata of a generation's documents by name; of those with these group sets alone."""
    among = "" if sets is None else f"AND {_VISIBLE}"
    values = {"g": generation, "sets": json_array(sets or ())}
    found = connection.execute(_KEYS.format(among=among), values)
    return tuple(KeyCount(key, count) for key, count in found)


def _require_known(
    where: Where, known: Iterable[KeyCount], fixed: Sequence[str], directory: Path
) -> None:
    """Raises UnknownKey for a condition on what is neither metadata nor one of `fixed`."""
    names = dict.fromkeys([*fixed, *(item.key for item in known)])
    for condition in where:
        if condition.key not in names:
            raise UnknownKey(directory, condition.key, list(names))
