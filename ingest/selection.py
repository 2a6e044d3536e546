"""Which documents and passages are meant: by id, by path, or by what their metadata says.

One language for searching, listing and forgetting. A search takes its conditions in: what they do
not hold of is no candidate, however few are left.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from threading import Lock
from typing import Any, Literal, cast

import numpy as np

from ingest import failures
from ingest.dates import own_date
from ingest.errors import KnowledgeBaseError
from ingest.index import VectorIndex
from ingest.manifest import Manifest, Stamp
from ingest.metadata import iso_date
from ingest.nearest import Scope
from ingest.schema import live
from ingest.snapshot import Groups, Snapshot
from ingest.types import Hit, Vectors
from ingest.vectors import Rows

Sign = Literal["=", ">=", "<="]

DOCUMENT_KEYS = ("document", "path", "title", "group")
PASSAGE_KEYS = ("page", "heading")
# Readers write several authors or keywords one after the other.
_LISTED = ("author", "keywords")
_BETWEEN = re.compile(r"[,;]\s+")
_CONDITION = re.compile(r"\s*([^=<>\s](?:[^=<>]*[^=<>\s])?)\s*(>=|<=|=)\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d(?:$|[T ])")
_DAY = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_REMEMBERED = 16

_DOCUMENTS = f"""
  SELECT identity, path, title, metadata, names, contents.row FROM contents
  JOIN group_sets ON group_sets.id = contents.group_set
  JOIN paths ON paths.content = contents.row AND {live("paths")}
  WHERE {live("contents")} {{among}}
"""
_VISIBLE = "group_set IN (SELECT value FROM json_each(:sets))"
_CHUNKS = f"""
  SELECT row {{more}} FROM chunks WHERE {live("chunks")} AND {_VISIBLE}
    AND substr(:contents, content, 1) = x'01'
"""
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
class Condition:
    """`key` is `document`, `path` (itself or a folder above), `title`, `group`, or metadata.

    In a search also `page`, and `heading` (any above the passage). One of several authors or
    keywords is enough. `>=` and `<=` compare numbers, or dates to the precision that `value` has:
    a year, a month, a day as the document writes it, or a moment.
    """

    key: str
    value: str
    sign: Sign = "="

    @classmethod
    def parse(cls, text: str) -> Condition | None:
        """KEY=VALUE, or KEY>=VALUE and KEY<=VALUE with a number or date; None for anything else."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            return None
        key, sign, value = match.groups()
        ordered = _NUMBER.fullmatch(value) or own_date({"date": value})
        if sign != "=" and (key in (*DOCUMENT_KEYS, "heading") or not ordered):
            return None
        return cls(key, value, cast(Sign, sign))

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{self.value}"

    @property
    def of_passage(self) -> bool:
        """Whether it can differ between the passages of a document."""
        return self.key in PASSAGE_KEYS

    def meets(self, found: str) -> bool:
        """Whether it holds of this value."""
        if self.sign == "=":
            parts = _BETWEEN.split(found) if self.key in _LISTED else ()
            return found == self.value or self.value in parts
        sides = _sides(found, self.value)
        return bool(sides and (sides[0] >= sides[1] if self.sign == ">=" else sides[0] <= sides[1]))


Where = tuple[Condition, ...]


def _sides(found: str, asked: str) -> tuple[Any, Any] | None:
    """Both as numbers, else both as dates; None where they don't compare."""
    if _NUMBER.fullmatch(found) and _NUMBER.fullmatch(asked):
        return float(found), float(asked)
    if _DAY.fullmatch(asked):
        # As it is written; a year or a month alone stands for its first day.
        written = found if _WRITTEN.match(found) else iso_date(found)
        day = written if _WRITTEN.match(written) else own_date({"date": written})
        return (day[:10][: len(asked)], asked) if day else None
    sides = own_date({"date": found}), own_date({"date": asked})
    return sides if all(sides) else None


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents by id or path, and those of which every condition holds."""

    documents: tuple[str, ...] = ()
    where: Where = ()

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
    if not found and failures.recorded(connection, path):
        return [path]
    if not found:
        raise UnknownDocument(directory, repr(wanted))
    return found


def meeting(connection: sqlite3.Connection, generation: int, where: Where) -> list[str]:
    """The ids of a generation's documents of which every condition holds."""
    rows = connection.execute(_DOCUMENTS.format(among="ORDER BY paths.row"), {"g": generation})
    return [row[0] for row in rows if all(_holds(condition, row) for condition in where)]


def chosen(
    connection: sqlite3.Connection, directory: Path, generation: int, where: Where
) -> frozenset[str]:
    """As `meeting`. Raises UnknownKey for a condition on what no document has."""
    met = frozenset(meeting(connection, generation, where))
    if not met:
        require_known(where, keys(connection, generation), DOCUMENT_KEYS, directory)
    return met


def _holds(condition: Condition, row: tuple[Any, ...]) -> bool:
    identity, path, title, metadata, groups, *_ = row
    value = condition.value
    if condition.key == "document":
        return bool(identity == value)
    if condition.key == "path":
        wanted = PurePath(value)
        return wanted == PurePath(path) or wanted in PurePath(path).parents
    if condition.key == "group":
        return value in json.loads(groups)
    if condition.key == "title":
        return bool(title == value)
    found = json.loads(metadata).get(condition.key)
    return found is not None and condition.meets(str(found))


def _holds_of_passage(condition: Condition, page: int | None, headings: str) -> bool:
    if condition.key == "heading":
        return condition.value in json.loads(headings)
    return page is not None and condition.meets(str(page))


@dataclass(frozen=True, slots=True)
class KeyCount:
    """A name of metadata and how many documents have it."""

    key: str
    documents: int


def keys(
    connection: sqlite3.Connection, generation: int, sets: Iterable[int] | None = None
) -> tuple[KeyCount, ...]:
    """The metadata of a generation's documents by name; of those with these group sets alone."""
    among = "" if sets is None else f"AND {_VISIBLE}"
    values = {"g": generation, "sets": json.dumps(sorted(sets or ()))}
    found = connection.execute(_KEYS.format(among=among), values)
    return tuple(KeyCount(key, count) for key, count in found)


def require_known(
    where: Where, known: Iterable[KeyCount], fixed: Sequence[str], directory: Path
) -> None:
    """Raises UnknownKey for a condition on what is neither metadata nor one of `fixed`."""
    names = dict.fromkeys([*fixed, *(item.key for item in known)])
    for condition in where:
        if condition.key not in names:
            raise UnknownKey(directory, condition.key, list(names))


class Searched(Snapshot):
    """A generation that is searched among what the asker may see and conditions hold of."""

    def __init__(
        self, manifest: Manifest, stamp: Stamp, index: VectorIndex, group_sets: dict[int, Groups]
    ) -> None:
        super().__init__(manifest, stamp, index, group_sets)
        self._scopes: OrderedDict[tuple[frozenset[int], Where], Scope] = OrderedDict()
        self._keeping = Lock()

    @classmethod
    def load(
        cls, directory: Path, manifest: Manifest, stamp: Stamp, connection: sqlite3.Connection
    ) -> Searched:
        found = super().load(directory, manifest, stamp, connection)
        assert isinstance(found, cls)
        return found

    def among(self, vector: Vectors, k: int, scope: Scope) -> list[Hit]:
        """The k nearest rows of a scope, best first, by inner product with `vector` of (d,)."""
        return self._index.search(vector, k, scope.allowed) if scope.allowed.count else []

    def scope(
        self, groups: Groups, where: Where, connection: sqlite3.Connection, directory: Path
    ) -> Scope:
        """Raises UnknownKey for what no document has that the asker may see."""
        key = self.visible(groups), where
        with self._keeping:
            if key in self._scopes:
                self._scopes.move_to_end(key)
                return self._scopes[key]
        rows = self._meeting(*key, connection, directory)
        scope = Scope(self._index.allow(rows), _mask(rows))
        with self._keeping:
            self._scopes[key] = scope
            while len(self._scopes) > _REMEMBERED:
                self._scopes.popitem(last=False)
        return scope

    def _meeting(
        self, sets: frozenset[int], where: Where, connection: sqlite3.Connection, directory: Path
    ) -> Rows:
        """The rows of the chunks of which all holds."""
        values: dict[str, Any] = {"g": self.manifest.generation, "sets": json.dumps(sorted(sets))}
        of_document = [item for item in where if not item.of_passage]
        of_passage = [item for item in where if item.of_passage]
        documents = connection.execute(_DOCUMENTS.format(among=f"AND {_VISIBLE}"), values)
        met = {row[-1] for row in documents if all(_holds(item, row) for item in of_document)}
        if not met:
            known = keys(connection, self.manifest.generation, sets)
            require_known(where, known, (*DOCUMENT_KEYS, *PASSAGE_KEYS), directory)
        values["contents"] = _mask(np.fromiter(met, dtype=np.int64))
        # Rows alone come from an index, without a look at the chunks.
        more = ", page, headings" if of_passage else ""
        chunks = connection.execute(_CHUNKS.format(more=more), values)
        found = (
            row for row, *has in chunks if all(_holds_of_passage(item, *has) for item in of_passage)
        )
        return np.fromiter(found, dtype=np.int64)


def _mask(rows: Rows) -> bytes:
    """A byte for each number from 1 on: 1 for these."""
    mask = np.zeros(rows.max(initial=0), dtype=np.uint8)
    mask[rows - 1] = 1
    return mask.tobytes()
