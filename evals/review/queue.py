"""The review queue: answers that people doubt, what a reviewer decides, and cases made of them.

    open -> accepted | corrected -> promoted        any of them but promoted can be reopened
    open -> dismissed

Kept in SQLite (WAL), readable by its owner alone. A decision names the version of the item that
the reviewer saw: of two who decide at once, the second is told so. Every change has a line in the
item's history.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evals.review.case import append_case
from evals.review.store import (
    add_event,
    add_report,
    count_up,
    item_of,
    now,
    queue_file,
)
from evals.review.types import (
    SOURCES,
    STATES,
    Asked,
    Event,
    Item,
    ReviewConflict,
    ReviewError,
    Source,
    State,
    Stats,
    clean_labels,
    clean_name,
    clean_words,
)

# Not answers that a case could hold the assistant to: the guard's notice, half an answer.
_STOPPED = "stopped by the reader"


class ReviewQueue:
    """The queue in one file. Safe to share by threads and processes. Raises ReviewError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = queue_file(path)

    def report(self, asked: Asked, source: Source, reason: str = "") -> int:
        """Put an answer into the queue; its number. One reported before keeps its place."""
        with self._file.writing() as db:
            return add_report(db, asked, source, clean_words(reason))

    def thumbs_up(self) -> None:
        """Count an answer that somebody liked."""
        with self._file.writing() as db:
            count_up(db, "thumbs-up")

    def sample(self, asked: Asked, every: int) -> int | None:
        """Count an answer; each `every`-th one enters the queue, and its number comes back."""
        with self._file.writing() as db:
            turn = count_up(db, "answers") % every == 0
            return add_report(db, asked, "audit", "") if turn else None

    def get(self, number: int) -> Item:
        """One item. Raises ReviewError if there is none of this number."""
        item = self.find(number)
        if item is None:
            raise ReviewError(f"there is no item {number}; surefoot eval review list shows them")
        return item

    def find(self, number: int) -> Item | None:
        """One item, if it is there."""
        return next(iter(self._select("WHERE id = ?", (number,))), None)

    def items(self, state: State | None = None, limit: int = -1) -> tuple[Item, ...]:
        """Items, those that people complained about before those that were sampled, oldest first.

        With -1 as its limit, all of them.
        """
        where = "WHERE state = ?" if state else "WHERE ? IS NULL"
        order = "ORDER BY source = 'audit', id LIMIT ?"
        return tuple(self._select(f"{where} {order}", (state, limit)))

    def waiting(self) -> int:
        """How many items are open."""
        return self.counts()["open"]

    def counts(self) -> dict[State, int]:
        """How many items are in each state."""
        found = dict.fromkeys(STATES, 0)
        if self.path.exists():
            with self._file.opened() as db:
                found.update(db.execute("SELECT state, count(*) FROM items GROUP BY state"))
        return found

    def events(self, number: int) -> tuple[Event, ...]:
        """An item's history, oldest first."""
        if not self.path.exists():
            return ()
        query = "SELECT at, who, before, after, note FROM events WHERE item = ? ORDER BY id"
        with self._file.opened() as db:
            return tuple(Event(*row) for row in db.execute(query, (number,)))

    def stats(self) -> Stats:
        """Counts over all items."""
        items = self.items()
        return Stats(
            states=self.counts(),
            sources={source: sum(i.source == source for i in items) for source in SOURCES},
            labels=_tally(label for item in items for label in item.labels),
            audited=_tally(item.state for item in items if item.source == "audit"),
            thumbs_up=self._counter("thumbs-up"),
            answers=self._counter("answers"),
        )

    def accept(self, item: Item, by: str, note: str = "") -> Item:
        """The answer is right as it was shown; "I don't know" stands for an empty `answers`."""
        whole = item.answer.status != "blocked" and item.answer.cause != _STOPPED
        said = () if item.answer.status == "abstained" else (item.answer.text,)
        fields = _decided(said if whole else None, item.cited)
        return self._move(item, "accepted", by, note, fields)

    def correct(
        self, item: Item, by: str, answers: Sequence[str], relevant: Sequence[str], note: str = ""
    ) -> Item:
        """What should have been said, and from which documents. No answers: they don't say."""
        said = tuple(clean_words(answer) for answer in answers)
        if not all(said):
            raise ReviewError("an answer is empty; for a question without one, give none")
        documents = tuple(dict.fromkeys(clean_words(name) for name in relevant if name.strip()))
        if documents and not said:
            raise ReviewError("a question that the documents don't answer has no relevant ones")
        return self._move(item, "corrected", by, note, _decided(said, documents))

    def dismiss(self, item: Item, by: str, note: str) -> Item:
        """Nothing is to be learned from it; the note says why."""
        if not clean_words(note):
            raise ReviewError("a dismissal needs a note that says why")
        return self._move(item, "dismissed", by, note, {})

    def reopen(self, item: Item, by: str, note: str = "") -> Item:
        """Take a decision back."""
        return self._move(item, "open", by, note, _decided(None, ()))

    def label(self, item: Item, by: str, labels: Sequence[str]) -> Item:
        """Replace an item's labels."""
        if item.state == "promoted":
            raise ReviewError(f"item {item.id} is promoted and stays as it is")
        kept = clean_labels(labels)
        note = f"labels: {', '.join(kept) or 'none'}"
        with self._changing(item, {"labels": json.dumps(kept)}) as db:
            add_event(db, item.id, clean_name(by), item.state, item.state, note)
        return self.get(item.id)

    def promote(self, item: Item, by: str, case: Mapping[str, Any], to: Path) -> Item:
        """Sign off: append the case that `case_of` made of this item, once, and close the item."""
        if case.get("id") != f"review-{item.uid}":
            raise ReviewError(f"the case is not item {item.id}'s")
        path = to.expanduser().absolute()
        who = _allowed(item, "promoted", by)
        fields = {"state": "promoted", "promoted_to": clean_words(str(path))}
        with self._changing(item, fields) as db:
            add_event(db, item.id, who, item.state, "promoted", f"to {path.name}")
            # Last: a case on disk whose item stays open is found by its id the next time.
            append_case(path, dict(case))
        return self.get(item.id)

    def forget(self, documents: Sequence[str]) -> int:
        """Remove every item that rests on one of these documents; how many there were."""
        found = [item.id for item in self.resting_on(documents)]
        if found:
            with self._file.writing() as db:
                db.executemany("DELETE FROM items WHERE id = ?", [(number,) for number in found])
            with self._file.opened() as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)

    def resting_on(self, documents: Collection[str]) -> list[Item]:
        """Items whose answer, or whose reviewer, names one of these documents."""
        gone = set(documents)
        return [item for item in self.items() if gone & set(_named(item))]

    def _move(
        self, item: Item, state: State, by: str, note: str, fields: Mapping[str, Any]
    ) -> Item:
        who, words = _allowed(item, state, by), clean_words(note)
        decision = {"reviewer": who, "note": words, "reviewed_at": now(), "state": state}
        if state == "open":
            decision.update(reviewer="", note="", reviewed_at="")
        with self._changing(item, {**decision, **fields}) as db:
            add_event(db, item.id, who, item.state, state, words)
        return self.get(item.id)

    @contextmanager
    def _changing(self, item: Item, fields: Mapping[str, Any]) -> Iterator[sqlite3.Connection]:
        """Set columns of an item that nobody else has changed. Raises ReviewConflict."""
        columns = ", ".join(f"{name} = :{name}" for name in fields)
        change = (
            f"UPDATE items SET {columns}, version = version + 1 WHERE id = :id AND version = :v"
        )
        with self._file.writing() as db:
            done = db.execute(change, {**fields, "id": item.id, "v": item.version})
            if done.rowcount != 1:
                raise _conflict(db, item)
            yield db

    def _select(self, clause: str, values: Sequence[Any]) -> Iterator[Item]:
        if not self.path.exists():
            return
        with self._file.opened() as db:
            rows = db.execute(f"SELECT * FROM items {clause}", values).fetchall()
        yield from map(item_of, rows)

    def _counter(self, name: str) -> int:
        if not self.path.exists():
            return 0
        with self._file.opened() as db:
            row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
            return int(row[0]) if row else 0


class Audit:
    """Sampled auditing: each `every`-th answer enters the queue, by a count on disk. 0 is off."""

    def __init__(self, queue: ReviewQueue, every: int) -> None:
        if every < 0:
            raise ReviewError(f"cannot audit each {every}-th answer")
        self._queue = queue
        self._every = every

    def offer(self, asked: Asked) -> int | None:
        """Count an answer; its number in the queue if it is to be audited."""
        return self._queue.sample(asked, self._every) if self._every else None


def _named(item: Item) -> Iterator[str]:
    """Documents that an item names: those it rests on, a reviewer's, and near-duplicates."""
    yield from (name for name, _ in item.needs)
    yield from item.relevant
    for passage in item.answer.passages:
        yield from passage.also


def _allowed(item: Item, state: State, by: str) -> str:
    """The reviewer's name, if an item of this state may become `state`. Raises ReviewError."""
    if not item.may_follow(state):
        hint = "" if item.state == "promoted" else "; reopen it first"
        problem = "stays as it is" if item.state == "promoted" else f"cannot become {state}"
        raise ReviewError(f"item {item.id} is {item.state} and {problem}{hint}")
    return clean_name(by)


def _conflict(db: sqlite3.Connection, item: Item) -> ReviewError:
    row = db.execute("SELECT state, reviewer FROM items WHERE id = ?", (item.id,)).fetchone()
    if row is None:
        return ReviewError(f"item {item.id} was removed")
    return ReviewConflict(item.id, row["state"], row["reviewer"])


def _decided(answers: tuple[str, ...] | None, relevant: Sequence[str]) -> dict[str, Any]:
    return {
        "answers": None if answers is None else json.dumps(answers),
        "relevant": json.dumps(list(relevant) if answers else []),
    }


def _tally(words: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
