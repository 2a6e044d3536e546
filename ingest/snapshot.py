"""One generation as readers hold it: its manifest, its vector index and who may find which rows."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ingest.conditions import Where
from ingest.index import VectorIndex
from ingest.lexical import Words
from ingest.manifest import Manifest, Stamp
from ingest.nearest import Allowed
from ingest.schema import live
from ingest.selection import mask, passages
from ingest.types import Hit, Vectors

Groups = frozenset[str]
_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search may find: for vectors, and for SQL as a byte, 1 or 0, for each chunk row."""

    allowed: Allowed
    mask: bytes


class Snapshot:
    """Search over one generation, among what the asker may see and conditions hold of."""

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        stamp: Stamp,
        index: VectorIndex,
        group_sets: dict[int, Groups],
    ) -> None:
        self.manifest = manifest
        self.stamp = stamp
        self.words = Words(manifest.generation, index.rows)
        self._directory = directory
        self._index = index
        self._group_sets = group_sets
        self._scopes: OrderedDict[tuple[frozenset[int], Where], Scope] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(
        cls, directory: Path, manifest: Manifest, stamp: Stamp, connection: sqlite3.Connection
    ) -> Snapshot:
        """Raises KnowledgeBaseError when a vector file is missing or is not this base's."""
        index = VectorIndex.load(directory, manifest)
        rows = connection.execute(
            "SELECT id, names FROM group_sets WHERE id IN (SELECT group_set FROM contents WHERE "
            + live("contents")
            + ")",
            {"g": manifest.generation},
        )
        group_sets = {row: frozenset(json.loads(names)) for row, names in rows}
        return cls(directory, manifest, stamp, index, group_sets)

    def search(self, vector: Vectors, k: int, scope: Scope | None) -> list[Hit]:
        """The k nearest rows of a scope, best first, by inner product with `vector` of (d,)."""
        return self._index.search(vector, k, None if scope is None else scope.allowed)

    def scope(self, groups: Groups, where: Where, connection: sqlite3.Connection) -> Scope | None:
        """What an asker with these groups may find by these conditions; None for everything.

        Raises UnknownKey for a condition on what no document has that the asker may see.
        """
        visible = self._visible(groups)
        if not where and len(visible) == len(self._group_sets):
            return None
        key = visible, where
        with self._lock:
            if key in self._scopes:
                self._scopes.move_to_end(key)
                return self._scopes[key]
        rows = passages(connection, self._directory, self.manifest.generation, visible, where)
        scope = Scope(self._index.allow(rows), mask(rows))
        with self._lock:
            self._scopes[key] = scope
            while len(self._scopes) > _REMEMBERED:
                self._scopes.popitem(last=False)
        return scope

    def _visible(self, groups: Groups) -> frozenset[int]:
        """Ids of the group sets that an asker with these groups may see."""
        return frozenset(
            number for number, names in self._group_sets.items() if not names or names & groups
        )
