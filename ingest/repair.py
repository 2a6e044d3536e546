"""Mending a knowledge base from what is whole in it.

The tables are the truth: the vector file and the word index are made from them again. A document
whose own rows are spoiled is taken out and named, so that the next ingest of its file adds it
anew; so is what nobody can name. A repair of rows makes a new generation, and earlier ones go.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest import failures, segments
from ingest.commit import publish
from ingest.erase import erase, hide, prepare, truncate_log
from ingest.errors import KnowledgeBaseError
from ingest.forget import sweep
from ingest.lock import writer_lock
from ingest.manifest import Manifest, read_manifest
from ingest.schema import connect_writer, database_errors, live, transaction
from ingest.vectors import load_index, matrix, rows_of
from ingest.verify import (
    Problem,
    VerifyReport,
    broken_pages,
    find_problems,
    is_unit,
    stored_vector,
    verify,
)

_LOG = logging.getLogger(__name__)
_BEYOND = "beyond repair: restore the folder from a copy, or ingest into a new one"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was done, in lines; the paths of documents that were taken out; how it is now."""

    done: tuple[str, ...]
    lost: tuple[str, ...]
    after: VerifyReport

    @property
    def ok(self) -> bool:
        return self.after.ok and not self.lost


def repair(directory: Path) -> RepairReport:
    """Mend what can be mended. Raises KnowledgeBaseBusy, and KnowledgeBaseError beyond repair."""
    # Before the lock, whose file would be made in any folder.
    read_manifest(directory)
    with ExitStack() as stack:
        stack.enter_context(writer_lock(directory))
        stack.enter_context(database_errors(directory))
        manifest = read_manifest(directory)
        connection = stack.enter_context(closing(connect_writer(directory)))
        connection.execute("PRAGMA synchronous=FULL")
        mending = _Mending(connection, directory, manifest)
        mending.run()
    after = verify(directory, read_manifest(directory))
    return RepairReport(tuple(mending.done), tuple(mending.lost), after)


class _Mending:
    """One repair, under the writer's lock."""

    def __init__(self, connection: sqlite3.Connection, directory: Path, manifest: Manifest) -> None:
        self._connection = connection
        self._directory = directory
        self._manifest = manifest
        self.done: list[str] = []
        self.lost: list[str] = []

    def run(self) -> None:
        self._pages()
        problems = self._find()
        if any(problem.kind == "document" for problem in problems):
            self._vectors()
            problems = self._find()
        kinds = {problem.kind for problem in problems}
        if "words" in kinds:
            self._words()
        if kinds & {"counts", "document", "orphan", "vectors"}:
            self._generation(problems)
        if "failures" in kinds:
            self._failures()

    def _words(self) -> None:
        with transaction(self._connection):
            self._connection.execute("INSERT INTO lexical (lexical) VALUES ('rebuild')")
            segments.rebuild(self._connection)
        self.done.append("made the word index anew")

    def _failures(self) -> None:
        """Records that are damaged only make files be read again."""
        with transaction(self._connection):
            paths = failures.damaged(self._connection)
            for path in paths:
                failures.drop(self._connection, path)
        self.done.append(f"dropped {len(paths)} damaged records of files that failed")

    def _find(self) -> list[Problem]:
        return find_problems(self._connection, self._directory, self._manifest)

    def _pages(self) -> None:
        """Indexes of the database can be made again from its tables; broken tables cannot."""
        broken = broken_pages(self._connection)
        if not broken:
            return
        try:
            self._connection.execute("REINDEX")
        except sqlite3.DatabaseError as error:
            raise KnowledgeBaseError(self._directory, f"{error}; {_BEYOND}") from error
        left = broken_pages(self._connection)
        if left:
            raise KnowledgeBaseError(self._directory, f"{left[0].text}; {_BEYOND}")
        self.done.append("made the database's own indexes anew")

    def _vectors(self) -> None:
        """Take stored vectors that are missing or spoiled from the vector file, if it has them."""
        missing = self._missing()
        found = self._in_file([row for row, _ in missing]) if missing else {}
        with transaction(self._connection):
            for row, vector in missing:
                if row in found:
                    # No text has such a key, so that nothing is ever taken for it.
                    key = b"mended %d" % vector
                    self._connection.execute("DELETE FROM vectors WHERE id = ?", (vector,))
                    self._connection.execute(
                        "INSERT INTO vectors VALUES (?, ?, ?)", (vector, key, found[row].tobytes())
                    )
        if found:
            self.done.append(f"took {len(found)} stored vectors from the vector file")

    def _missing(self) -> list[tuple[int, int]]:
        rows = self._connection.execute(
            "SELECT chunks.row, chunks.vector, vectors.vector FROM chunks"
            f" LEFT JOIN vectors ON vectors.id = chunks.vector WHERE {live('chunks')}",
            {"g": self._manifest.generation},
        )
        size = self._manifest.dimension
        return [(row, vector) for row, vector, blob in rows if stored_vector(blob, size) is None]

    def _in_file(self, rows: Sequence[int]) -> dict[int, npt.NDArray[np.float32]]:
        try:
            index = load_index(self._directory, self._manifest)
        except KnowledgeBaseError:
            # Damaged as well: verify has said so, and its documents are taken out.
            return {}
        places = {int(row): at for at, row in enumerate(rows_of(index))}
        exact = matrix(index)
        found = {row: exact[places[row]].copy() for row in rows if row in places}
        return {row: vector for row, vector in found.items() if is_unit(vector)}

    def _generation(self, problems: Iterable[Problem]) -> None:
        spoiled = sorted({item.content for item in problems if item.content is not None})
        manifest, target = self._manifest, self._manifest.newest + 1
        prepare(self._connection, spoiled)
        self.lost = self._paths()
        for path in self.lost:
            # Said before it is done: killed after, nobody else would know.
            _LOG.warning("damaged, to be ingested again: %s", path)
        with transaction(self._connection):
            hide(self._connection, manifest.generation, target)
            dropped = self._drop(target)
        publish(self._connection, self._directory, manifest, previous=None)
        with transaction(self._connection):
            erase(self._connection)
        sweep(self._directory)
        truncate_log(self._connection, self._directory)
        if spoiled:
            self.done.append(f"took out {len(spoiled)} damaged documents")
        if dropped:
            self.done.append(f"dropped {dropped} rows that belong to no document")
        self.done.append(f"made the vector file anew: generation {target}")

    def _paths(self) -> list[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT path FROM paths WHERE"
            f" {live('paths')} AND (content IN picked OR NOT EXISTS (SELECT 1 FROM contents"
            f" WHERE contents.row = paths.content AND {live('contents')})) ORDER BY path",
            {"g": self._manifest.generation},
        )
        return [path for (path,) in rows]

    def _drop(self, target: int) -> int:
        """Names and chunks whose document is no longer there; how many."""
        living = "(SELECT row FROM contents WHERE gen_removed IS NULL)"
        return sum(
            self._connection.execute(
                f"UPDATE {table} SET gen_removed=? WHERE gen_removed IS NULL"
                f" AND content NOT IN {living}",
                (target,),
            ).rowcount
            for table in ("paths", "chunks")
        )
