"""The file of a generation's vectors: every one, exact, in FAISS's own format.

It is written in one pass, so that a job's memory does not grow with the base, and read through a
memory map, so that opening costs nothing and processes share one copy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss as library
import numpy as np
import numpy.typing as npt

from ingest.errors import KnowledgeBaseError
from ingest.manifest import Manifest, vectors_name
from ingest.types import Vectors

# Its type stubs know neither keyword arguments nor all classes.
faiss: Any = library
Rows = npt.NDArray[np.int64]
# Stands in the place of a chunk that is gone.
GONE = -1
_HEADER = "<4siqqq?i"
_PLACEHOLDER = 1 << 20


def write_vectors(
    path: Path, dimension: int, count: int, blocks: Iterable[tuple[Rows, Vectors]]
) -> int:
    """Write blocks of (rows, vectors of shape (n, dimension)), `count` in all; how many came.

    The layout is that of an `IndexIDMap2` over an `IndexFlatIP` (faiss/impl/index_write.cpp), which
    `faiss.read_index` reads. Another number than `count` makes a file that cannot be read.
    """
    rows: list[Rows] = []
    with path.open("wb") as file:
        for name in (b"IxM2", b"IxFI"):
            file.write(
                struct.pack(
                    _HEADER, name, dimension, count, _PLACEHOLDER, _PLACEHOLDER, True,
                    faiss.METRIC_INNER_PRODUCT,
                )
            )  # fmt: skip
        file.write(struct.pack("<Q", count * dimension))
        for numbers, vectors in blocks:
            file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
            rows.append(np.asarray(numbers, dtype="<i8"))
        file.write(struct.pack("<Q", count))
        for numbers in rows:
            file.write(numbers.data)
    return sum(map(len, rows))


def load_index(directory: Path, manifest: Manifest) -> Any:
    """The exact vectors of a generation: an `IndexIDMap2` whose ids are chunk rows, or GONE.

    Raises KnowledgeBaseError where they are not as promised.
    """
    name = vectors_name(manifest.generation)
    index = read_faiss(directory, name)
    expected = manifest.chunks + manifest.searched.tombstones
    if index.d != manifest.dimension or index.ntotal != expected:
        raise KnowledgeBaseError(
            directory,
            f"{name} holds {index.ntotal} vectors of {index.d}, the manifest says"
            f" {expected} of {manifest.dimension}",
        )
    return index


def read_faiss(directory: Path, name: str, *, mapped: bool = True) -> Any:
    """An index file, memory-mapped or (to add to it) in memory. Raises KnowledgeBaseError."""
    path = directory / name
    if not path.is_file():
        raise KnowledgeBaseError(directory, f"{name} is missing")
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except RuntimeError as error:
        raise KnowledgeBaseError(directory, f"{name} is damaged") from error


def rows_of(index: Any) -> Rows:
    """The chunk row at every place of an index that `load_index` gave."""
    found: Rows = faiss.vector_to_array(index.id_map)
    return found


def exact_part(index: Any) -> Any:
    """The `IndexFlatIP` inside, which counts places from 0."""
    return faiss.downcast_index(index.index)


class _Memory:
    """The vectors of an index as numpy asks for them; keeps the index alive with every view."""

    def __init__(self, index: Any) -> None:
        self._index = index
        flat = exact_part(index)
        self.__array_interface__ = {
            "version": 3,
            "typestr": "<f4",
            "shape": (flat.ntotal, flat.d),
            "data": (int(flat.get_xb()), True),
        }


def matrix(index: Any) -> Vectors:
    """A read-only view, of shape (n, dimension), of an index that `load_index` gave."""
    if not index.ntotal:
        return np.empty((0, index.d), dtype=np.float32)
    view: Vectors = np.asarray(_Memory(index))
    return view
