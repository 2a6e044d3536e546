"""The tables of the releases, and what their rows mean."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from rag.releases.errors import ReleaseError
from rag.releases.gates import NAMES, Tally, gates_of
from rag.releases.trial import ArmName, Hits, Trial
from rag.releases.variant import DEFAULT, Lineage, Variant

Kind = Literal["added", "canary", "shadow", "promoted", "rolled back", "stopped"]

# A trial's units say which conversations counted already; they go when it ends.
TABLES = """
CREATE TABLE variants (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
CREATE TABLE stables (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL REFERENCES variants (name)) STRICT;
CREATE TABLE trials (
  id INTEGER PRIMARY KEY AUTOINCREMENT, variant TEXT NOT NULL REFERENCES variants (name),
  baseline TEXT NOT NULL, share REAL NOT NULL, shadow INTEGER NOT NULL, salt TEXT NOT NULL,
  began TEXT NOT NULL, gates TEXT NOT NULL, running INTEGER NOT NULL DEFAULT 1) STRICT;
CREATE UNIQUE INDEX one_trial ON trials (running) WHERE running = 1;
CREATE TABLE counts (
  trial INTEGER NOT NULL, arm TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (trial, arm, what)) STRICT, WITHOUT ROWID;
CREATE TABLE units (
  trial INTEGER NOT NULL, arm TEXT NOT NULL, what TEXT NOT NULL, unit TEXT NOT NULL,
  PRIMARY KEY (trial, arm, what, unit)) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL,
  variant TEXT NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL, figures TEXT NOT NULL) STRICT;
CREATE TRIGGER events_stay BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_hold BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER variants_stay BEFORE DELETE ON variants
  BEGIN SELECT RAISE(ABORT, 'variants are never deleted'); END;
CREATE TRIGGER variants_hold BEFORE UPDATE ON variants
  BEGIN SELECT RAISE(ABORT, 'variants never change'); END;
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which variant, when (ISO 8601, UTC), why, and on what figures."""

    number: int
    at: str
    kind: Kind
    variant: str
    by: str
    why: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What is served: the stable variant ("default" before any was promoted) and a trial."""

    stable: str = DEFAULT
    trial: Trial | None = None


def clock() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unknown(name: str) -> ReleaseError:
    return ReleaseError(f"there is no variant {name!r}; surefoot release list shows them")


def known(db: sqlite3.Connection, name: str) -> str:
    """A variant's body. Raises ReleaseError if there is none of this name."""
    row = db.execute("SELECT body FROM variants WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise unknown(name)
    return str(row["body"])


def variant_of(body: str) -> Variant:
    row = json.loads(body)
    return Variant(**{**row, "lineage": Lineage(**row["lineage"])})


def event_of(row: sqlite3.Row) -> Event:
    return Event(**{**dict(row), "figures": json.loads(row["figures"])})


def state_of(db: sqlite3.Connection) -> State:
    stable = db.execute("SELECT name FROM stables ORDER BY number DESC LIMIT 1").fetchone()
    trial = db.execute("SELECT * FROM trials WHERE running = 1").fetchone()
    return State(stable["name"] if stable else DEFAULT, _trial(db, trial) if trial else None)


def tell(
    db: sqlite3.Connection, kind: Kind, variant: str, by: str, why: str, figures: Mapping[str, Any]
) -> Event:
    """Write an event down."""
    row = (clock(), kind, variant, by, why, json.dumps(figures, ensure_ascii=False))
    number = db.execute(
        "INSERT INTO events (at, kind, variant, by, why, figures) VALUES (?, ?, ?, ?, ?, ?)", row
    ).lastrowid
    return Event(number or 0, row[0], kind, variant, by, why, figures)


def close_trial(db: sqlite3.Connection) -> None:
    """End the trial that runs, if any. Its counts stay; which conversations they are goes."""
    db.execute("DELETE FROM units")
    db.execute("UPDATE trials SET running = 0 WHERE running = 1")


def count_answer(db: sqlite3.Connection, trial: int, arm: ArmName, unit: str, hits: Hits) -> None:
    """Count a request, and what is new in it of its conversation."""
    count(db, trial, arm, "requests")
    for what in ("conversations", *sorted(hits)):
        row = (trial, arm, what, unit)
        if db.execute("INSERT OR IGNORE INTO units VALUES (?, ?, ?, ?)", row).rowcount:
            count(db, trial, arm, what)


def count(db: sqlite3.Connection, trial: int, arm: str, what: str) -> None:
    db.execute(
        "INSERT INTO counts VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
        (trial, arm, what),
    )


def _trial(db: sqlite3.Connection, row: sqlite3.Row) -> Trial:
    arms: dict[str, dict[str, int]] = {"canary": {}, "baseline": {}, "notes": {}}
    for arm, what, n in db.execute("SELECT arm, what, n FROM counts WHERE trial = ?", (row["id"],)):
        arms[arm][what] = n
    return Trial(
        id=row["id"],
        variant=row["variant"],
        baseline=row["baseline"],
        share=row["share"],
        shadow=bool(row["shadow"]),
        salt=row["salt"],
        began=row["began"],
        gates=gates_of(json.loads(row["gates"])),
        canary=_tally(arms["canary"]),
        base=_tally(arms["baseline"]),
        notes=arms["notes"],
    )


def _tally(counts: Mapping[str, int]) -> Tally:
    hits = {name: counts[name] for name in NAMES if name in counts}
    return Tally(counts.get("conversations", 0), counts.get("requests", 0), hits)
