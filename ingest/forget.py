"""Forgetting: documents leave every table, file and log of a knowledge base, with a receipt.

First a generation without them is committed: from then on nothing of them answers. Then the
places that quote them are cleared, their rows erased, the database written anew, older
generations removed, and the receipt signed. Killed anywhere, the next `forget` goes on.

Out of reach: the files that were ingested (the next ingest of their folder brings them back),
copies of the knowledge base, the memory of programs that run, and what a disk keeps of
overwritten blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ingest.commit import publish
from ingest.erase import (
    Picked,
    Unfinished,
    digest,
    erase,
    finish,
    hide,
    pick,
    picked_rows,
    scrub,
    texts,
    truncate_log,
)
from ingest.errors import KnowledgeBaseError
from ingest.lock import writer_lock
from ingest.manifest import Manifest, graph_name, read_manifest, vectors_name
from ingest.quotes import Place, Trail
from ingest.receipt import Receipt, receipt_of, write_receipt
from ingest.schema import connect_reader, connect_writer, database_errors, transaction
from ingest.selection import Selection, UnknownDocument, meeting, resolve
from ingest.writer import now


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten, or, of a dry run, would be. `removed` counts by place.

    `documents` are the ids that no longer answer; `similar` are near-duplicates of them, which
    stay. `receipt` is None for a dry run, which alone says in `why` how each of `documents` was
    met: by its name, by what it says under a condition's key, or as a copy of another's text.
    """

    documents: tuple[str, ...]
    similar: tuple[str, ...]
    removed: Mapping[str, int]
    generation: int
    receipt: Path | None
    why: Mapping[str, str] = field(default_factory=dict)


def forget(
    directory: Path, selection: Selection, places: Sequence[Place] = (), dry_run: bool = False
) -> Forgotten:
    """Remove the selected documents for good, from the base and from `places`.

    An empty selection finishes what a killed job left. Raises UnknownDocument, KnowledgeBaseBusy,
    KnowledgeBaseError; and what a place raises: then nothing answers, and the same again goes on.
    """
    if dry_run:
        return _preview(directory, selection, places)
    # Before the lock, whose file would be made in any folder.
    read_manifest(directory)
    with ExitStack() as stack:
        stack.enter_context(_disk_errors(directory))
        stack.enter_context(writer_lock(directory))
        stack.enter_context(database_errors(directory))
        connection = stack.enter_context(closing(connect_writer(directory)))
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA synchronous=FULL")
        return _Job(connection, directory, places).run(selection)


def _preview(directory: Path, selection: Selection, places: Sequence[Place]) -> Forgotten:
    manifest = read_manifest(directory)
    with database_errors(directory), closing(connect_reader(directory)) as connection:
        found = resolve(connection, directory, manifest.generation, selection)
        picked = pick(connection, manifest.generation, list(found))
        trail = Trail(picked.names, texts(connection))
    removed = {place.name: place.clear(trail, dry_run=True) for place in places}
    return Forgotten(
        picked.documents,
        picked.similar,
        {**picked.rows, **removed},
        manifest.generation,
        receipt=None,
        why={name: found.get(name, "the same text") for name in picked.documents},
    )


class _Job:
    """One forgetting, under the writer's lock."""

    def __init__(
        self, connection: sqlite3.Connection, directory: Path, places: Sequence[Place]
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._places = places

    def run(self, selection: Selection) -> Forgotten:
        left = Unfinished.load(self._connection)
        if left is not None and left.erased:
            done = self._finish(left, (), ())
            wanted = _without(selection, left.asked)
            return done if wanted.empty else self._go_on(wanted, done)
        manifest = read_manifest(self._directory)
        found = self._found(manifest, selection, left)
        before = left.before if left is not None else manifest.generation
        picked = pick(self._connection, manifest.generation, found, before)
        state = Unfinished(
            erased=False,
            asked=tuple({*(left.asked if left else ()), *map(digest, selection.documents)}),
            names=picked.names,
            contents=tuple(picked_rows(self._connection)),
            receipt=None,
            removed=left.removed if left is not None else {},
            before=before,
        )
        return self._forget(manifest, picked, state)

    def _go_on(self, wanted: Selection, done: Forgotten) -> Forgotten:
        try:
            return self.run(wanted)
        except UnknownDocument:
            if wanted.documents:
                raise
            # The condition met the documents that are forgotten by now.
            return done

    def _found(
        self, manifest: Manifest, selection: Selection, left: Unfinished | None
    ) -> list[str]:
        """Ids of what is to be forgotten, with those that a killed job had begun to forget."""
        generation = manifest.generation
        if left is None:
            return list(resolve(self._connection, self._directory, generation, selection))
        found = list(left.names)
        named = _without(Selection(selection.documents), left.asked)
        if not named.empty:
            found += resolve(self._connection, self._directory, generation, named)
        if selection.where:
            found += meeting(self._connection, generation, selection.where)
        return found

    def _forget(self, manifest: Manifest, picked: Picked, state: Unfinished) -> Forgotten:
        with transaction(self._connection):
            hide(self._connection, manifest.generation, manifest.newest + 1)
            state.save(self._connection)
        following = publish(self._connection, self._directory, manifest, previous=None)
        state = self._clear(state, picked)
        receipt = Receipt(
            at=now(),
            generation_before=state.before,
            generation_after=following.generation,
            documents=picked.contents,
            removed={**picked.rows, **state.removed},
        )
        with transaction(self._connection):
            erase(self._connection)
            # From here on not even the names are kept.
            state = replace(state, erased=True, names=(), contents=(), receipt=asdict(receipt))
            state.save(self._connection)
        return self._finish(state, picked.documents, picked.similar)

    def _clear(self, state: Unfinished, picked: Picked) -> Unfinished:
        trail = Trail(picked.names, texts(self._connection))
        for place in self._places:
            count = state.removed.get(place.name, 0) + place.clear(trail, dry_run=False)
            state = replace(state, removed={**state.removed, place.name: count})
            with transaction(self._connection):
                state.save(self._connection)
        return state

    def _finish(
        self, state: Unfinished, documents: tuple[str, ...], similar: tuple[str, ...]
    ) -> Forgotten:
        assert state.receipt is not None
        receipt = receipt_of(state.receipt)
        scrub(self._connection, self._directory)
        sweep(self._directory)
        path = write_receipt(self._directory, receipt)
        finish(self._connection)
        truncate_log(self._connection, self._directory)
        return Forgotten(documents, similar, receipt.removed, receipt.generation_after, path)


def _without(selection: Selection, asked: Sequence[str]) -> Selection:
    """What a command names beyond what a killed one had named."""
    names = tuple(name for name in selection.documents if digest(name) not in asked)
    return Selection(names, selection.where)


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        problem = f"{where}{error.strerror or error}; the same command goes on from here"
        raise KnowledgeBaseError(directory, problem) from error


def sweep(directory: Path) -> None:
    """Remove files of no generation that can be asked for, and half-written ones of killed jobs."""
    manifest = read_manifest(directory)
    numbers = [number for number in (manifest.generation, manifest.previous) if number is not None]
    kept = {name(number) for name in (vectors_name, graph_name) for number in numbers}
    for pattern in ("*-*.faiss", ".*.part"):
        for file in directory.glob(pattern):
            if file.name not in kept:
                file.unlink(missing_ok=True)
