"""The queue's side of SQLite: tables, connections, and rows to items and back.

One connection an operation: it costs a millisecond, and nothing is shared between threads.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.review.types import SOURCES, Asked, Item, ReviewError, Source, clean_words
from rag.private_file import PrivateFile
from rag.types import (
    Answer,
    Citation,
    Dropped,
    Finding,
    Flag,
    Message,
    ModelRef,
    Passage,
    Sentence,
    TokenUse,
)

FORMAT = 1

TABLES = """
CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('audit', 'thumbs-down', 'flag')),
  reason TEXT NOT NULL, trace TEXT NOT NULL, asked TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open'
    CHECK (state IN ('open', 'accepted', 'corrected', 'dismissed', 'promoted')),
  version INTEGER NOT NULL DEFAULT 1,
  reviewer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
  labels TEXT NOT NULL DEFAULT '[]', answers TEXT, relevant TEXT NOT NULL DEFAULT '[]',
  reviewed_at TEXT NOT NULL DEFAULT '', promoted_to TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX items_state ON items (state, id);
CREATE UNIQUE INDEX items_trace ON items (trace) WHERE trace <> '';
CREATE TABLE events (
  id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
  at TEXT NOT NULL, who TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  note TEXT NOT NULL) STRICT;
CREATE INDEX events_item ON events (item, id);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def queue_file(path: Path) -> PrivateFile:
    """The queue at `path`, there or not yet. What goes wrong with it is a ReviewError."""
    return PrivateFile(path, FORMAT, TABLES, ReviewError)


def add_report(db: sqlite3.Connection, asked: Asked, source: Source, reason: str) -> int:
    """The number of the item that holds this answer; it is added if there is none."""
    trace = asked.answer.trace
    known = db.execute("SELECT * FROM items WHERE trace = ? AND trace <> ''", (trace,)).fetchone()
    if known is not None:
        return _report_again(db, known, source, reason)
    values = (secrets.token_hex(6), now(), source, reason, trace, pack(asked))
    added = db.execute(
        "INSERT INTO items (uid, created, source, reason, trace, asked) VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )
    number = added.lastrowid
    assert number is not None
    add_event(db, number, _teller(source), "", "open", _said(source, reason))
    return number


def _report_again(db: sqlite3.Connection, known: sqlite3.Row, source: Source, reason: str) -> int:
    """One answer, one item: what is said later is added to what was said before."""
    strongest = max(known["source"], source, key=SOURCES.index)
    reasons = dict.fromkeys(filter(None, (known["reason"], reason)))
    number, state = int(known["id"]), known["state"]
    if state == "open":
        db.execute(
            "UPDATE items SET source = ?, reason = ?, version = version + 1 WHERE id = ?",
            (strongest, "; ".join(reasons), number),
        )
    add_event(db, number, _teller(source), state, state, _said(source, reason))
    return number


def _teller(source: Source) -> str:
    return "sampling" if source == "audit" else "reader"


def _said(source: Source, reason: str) -> str:
    return f"{source}: {reason}" if reason else source


def add_event(
    db: sqlite3.Connection, number: int, who: str, before: str, after: str, note: str
) -> None:
    """A line of an item's history."""
    db.execute(
        "INSERT INTO events (item, at, who, before, after, note) VALUES (?, ?, ?, ?, ?, ?)",
        (number, now(), who, before, after, clean_words(note)),
    )


def count_up(db: sqlite3.Connection, name: str) -> int:
    """Count one more; the count with it."""
    row = db.execute(
        "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 "
        "RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def pack(asked: Asked) -> str:
    """JSON of a question with its answer. Plain ASCII, so that any text a model made fits."""
    needs = {p.document: sorted(p.groups) for p in (*asked.earlier, *asked.answer.passages)}
    row = {
        "question": asked.question,
        "history": [asdict(message) for message in asked.history],
        "answer": asdict(asked.answer),
        "needs": list(needs.items()),
    }
    return json.dumps(row, default=_plain)


def item_of(row: sqlite3.Row) -> Item:
    """The item of a row. Raises ReviewError if it was written by something else."""
    try:
        asked = json.loads(row["asked"])
        answers = json.loads(row["answers"]) if row["answers"] is not None else None
        return Item(
            **{name: row[name] for name in _SAME},
            question=asked["question"],
            history=tuple(Message(**turn) for turn in asked["history"]),
            answer=answer_of(asked["answer"]),
            needs=tuple((document, frozenset(groups)) for document, groups in asked["needs"]),
            labels=tuple(json.loads(row["labels"])),
            answers=None if answers is None else tuple(answers),
            relevant=tuple(json.loads(row["relevant"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReviewError(f"item {row['id']} cannot be read ({error})") from error


_SAME = (
    "id", "uid", "created", "source", "reason", "state", "version", "reviewer", "note",
    "reviewed_at", "promoted_to",
)  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return dict(value) if isinstance(value, Mapping) else float(value)


def answer_of(row: dict[str, Any]) -> Answer:
    """An answer from its JSON, as a trace holds it too. Raises KeyError, TypeError."""
    tokens = row["tokens"]
    dropped = tuple(Dropped(**item) for item in tokens["dropped"])
    nested = {
        "sentences": tuple(_sentence(item) for item in row["sentences"]),
        "passages": tuple(_passage(item) for item in row["passages"]),
        "findings": tuple(Finding(**item) for item in row["findings"]),
        "tokens": TokenUse(**{**tokens, "dropped": dropped}),
        "model": ModelRef(**row["model"]),
    }
    return Answer(**{**row, **nested})


def _sentence(row: dict[str, Any]) -> Sentence:
    cited = tuple(Citation(**citation) for citation in row["citations"])
    # Answers were stored before there were flags.
    flags = tuple(Flag(**flag) for flag in row.get("flags", ()))
    return Sentence(row["text"], row["support"], cited, flags)


def _passage(row: dict[str, Any]) -> Passage:
    groups, headings = frozenset(row["groups"]), tuple(row["headings"])
    named = {name: tuple(row.get(name, ())) for name in ("also", "older")}
    return Passage(**{**row, "groups": groups, "headings": headings, **named})
