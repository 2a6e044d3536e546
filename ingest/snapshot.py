"""One generation in memory: its manifest, its FAISS index and who may see which rows."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from pathlib import Path
from threading import Lock

import faiss
import numpy as np
import numpy.typing as npt

from ingest.errors import KnowledgeBaseError
from ingest.manifest import Manifest, Stamp, vectors_name
from ingest.schema import live
from ingest.types import Hit, Vectors

Groups = frozenset[str]
_SELECTORS = 16


class Snapshot:
    """Exact search over the vectors of one generation, restricted to what an asker may see."""

    def __init__(
        self, manifest: Manifest, stamp: Stamp, index: faiss.Index, group_sets: dict[int, Groups]
    ) -> None:
        self.manifest = manifest
        self.stamp = stamp
        self._index = index
        self._group_sets = group_sets
        self._selectors: OrderedDict[frozenset[int], npt.NDArray[np.int64]] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(
        cls, directory: Path, manifest: Manifest, stamp: Stamp, connection: sqlite3.Connection
    ) -> Snapshot:
        """Raises KnowledgeBaseError when the vector file is missing or is not this base's."""
        index = load_index(directory, manifest)
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
        self, vector: Vectors, k: int, groups: Groups, connection: sqlite3.Connection
    ) -> list[Hit]:
        """The k nearest visible rows, best first, by inner product with `vector` of shape (d,)."""
        visible = self.visible(groups)
        if k < 1 or not visible or not self._index.ntotal:
            return []
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        parameters = None
        if len(visible) < len(self._group_sets):
            rows = self._visible_rows(visible, connection)
            parameters = faiss.SearchParameters()
            # Kept in a name of its own: FAISS holds no reference to it.
            selector = faiss.IDSelectorBatch(rows)
            parameters.sel = selector
        count = min(k, self._index.ntotal)
        scores, found = self._index.search(query, count, params=parameters)
        hits = [
            Hit(int(row), float(score))
            for row, score in zip(found[0], scores[0], strict=True)
            if row >= 0
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.row))

    def _visible_rows(
        self, visible: frozenset[int], connection: sqlite3.Connection
    ) -> npt.NDArray[np.int64]:
        with self._lock:
            if visible in self._selectors:
                self._selectors.move_to_end(visible)
                return self._selectors[visible]
        found = connection.execute(
            f"SELECT row FROM chunks WHERE {live('chunks')}"
            " AND group_set IN (SELECT value FROM json_each(:sets))",
            {"g": self.manifest.generation, "sets": json.dumps(sorted(visible))},
        )
        rows = np.fromiter((row for (row,) in found), dtype=np.int64)
        with self._lock:
            self._selectors[visible] = rows
            while len(self._selectors) > _SELECTORS:
                self._selectors.popitem(last=False)
        return rows


def new_index(dimension: int) -> faiss.Index:
    """An empty exact index whose ids are chunk rows."""
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def load_index(directory: Path, manifest: Manifest) -> faiss.Index:
    """The vectors of a generation. Raises KnowledgeBaseError where they are not as promised."""
    name = vectors_name(manifest.generation)
    path = directory / name
    if not path.is_file():
        raise KnowledgeBaseError(directory, f"{name} is missing")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise KnowledgeBaseError(directory, f"{name} is damaged") from error
    if index.d != manifest.dimension or index.ntotal != manifest.chunks:
        raise KnowledgeBaseError(
            directory,
            f"{name} holds {index.ntotal} vectors of {index.d}, the manifest says"
            f" {manifest.chunks} of {manifest.dimension}",
        )
    return index
