"""One generation as readers hold it: its manifest, its vector index and who may see which rows."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np

from ingest.index import VectorIndex
from ingest.manifest import Manifest, Stamp
from ingest.nearest import Allowed
from ingest.schema import live
from ingest.types import Hit, Vectors

Groups = frozenset[str]
# Metadata that a document must have: values by name.
Where = Mapping[str, str]
_SELECTORS = 16

# The condition that a chunk's document has all the metadata of the JSON object bound as :where.
MATCHES = """chunks.content IN (SELECT contents.row FROM contents WHERE NOT EXISTS
  (SELECT 1 FROM json_each(:where) AS asked WHERE NOT EXISTS
    (SELECT 1 FROM json_each(contents.metadata) AS has
     WHERE has.key = asked.key AND has.value = asked.value)))"""


class Snapshot:
    """Search over the vectors of one generation, restricted to what an asker may see."""

    def __init__(
        self, manifest: Manifest, stamp: Stamp, index: VectorIndex, group_sets: dict[int, Groups]
    ) -> None:
        self.manifest = manifest
        self.stamp = stamp
        self._index = index
        self._group_sets = group_sets
        self._selectors: OrderedDict[tuple[frozenset[int], str], Allowed] = OrderedDict()
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
        return cls(
            manifest, stamp, index, {row: frozenset(json.loads(names)) for row, names in rows}
        )

    def visible(self, groups: Groups) -> frozenset[int]:
        """Ids of the group sets that an asker with these groups may see."""
        return frozenset(
            number for number, names in self._group_sets.items() if not names or names & groups
        )

    def search(
        self,
        vector: Vectors,
        k: int,
        groups: Groups,
        connection: sqlite3.Connection,
        where: Where | None = None,
    ) -> list[Hit]:
        """The k nearest visible rows, best first, by inner product with `vector` of shape (d,)."""
        visible = self.visible(groups)
        if k < 1 or not visible:
            return []
        allowed = None
        if where or len(visible) < len(self._group_sets):
            allowed = self._allowed(visible, where or {}, connection)
        return self._index.search(vector, k, allowed)

    def _allowed(
        self, visible: frozenset[int], where: Where, connection: sqlite3.Connection
    ) -> Allowed:
        key = visible, json.dumps(dict(where), sort_keys=True)
        with self._lock:
            if key in self._selectors:
                self._selectors.move_to_end(key)
                return self._selectors[key]
        found = connection.execute(
            f"SELECT row FROM chunks WHERE {live('chunks')}"
            " AND group_set IN (SELECT value FROM json_each(:sets))"
            + (f" AND {MATCHES}" if where else ""),
            {"g": self.manifest.generation, "sets": json.dumps(sorted(visible)), "where": key[1]},
        )
        allowed = self._index.allow(np.fromiter((row for (row,) in found), dtype=np.int64))
        with self._lock:
            self._selectors[key] = allowed
            while len(self._selectors) > _SELECTORS:
                self._selectors.popitem(last=False)
        return allowed
