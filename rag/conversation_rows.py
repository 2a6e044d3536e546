"""How conversations lie in their file: its tables, what older files lack, and turns as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rag.turns import ConversationError, Said, Source, Turn

FORMAT = 2
_CONVERSATIONS = """
CREATE TABLE {} (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
  turns INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL DEFAULT 0,
  owner TEXT NOT NULL DEFAULT '', UNIQUE (owner, name)) STRICT, WITHOUT ROWID"""
TABLES = f"""{_CONVERSATIONS.format("conversations")};
CREATE TABLE turns (
  conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  number INTEGER NOT NULL, at TEXT NOT NULL, question TEXT NOT NULL, status TEXT NOT NULL,
  said TEXT NOT NULL, needs TEXT NOT NULL, groups TEXT NOT NULL,
  PRIMARY KEY (conversation, number)) STRICT, WITHOUT ROWID;
"""
# A name was unique in the whole file before it had owners, and only a new table forgets that.
UPGRADES: Mapping[int, tuple[str, ...]] = {
    1: (
        _CONVERSATIONS.format("owned"),
        "INSERT INTO owned SELECT id, name, created, updated, turns, touched, ''"
        " FROM conversations",
        "DROP TABLE conversations",
        "ALTER TABLE owned RENAME TO conversations",
    )
}


def row_of(turn: Turn) -> tuple[Any, ...]:
    """A turn as the columns after its conversation's id."""
    said = json.dumps([asdict(item) for item in turn.said])
    needs = json.dumps([[n, sorted(wanted)] for n, wanted in turn.needs])
    groups = json.dumps(sorted(turn.groups))
    return turn.number, turn.at, turn.question, turn.status, said, needs, groups


def turn_in(row: sqlite3.Row) -> Turn:
    """The turn of a row. Raises ConversationError if it was written by something else."""
    try:
        return Turn(
            number=row["number"],
            at=row["at"],
            question=row["question"],
            status=row["status"],
            said=tuple(map(_said, json.loads(row["said"]))),
            needs=tuple((name, frozenset(wanted)) for name, wanted in json.loads(row["needs"])),
            groups=frozenset(json.loads(row["groups"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        problem = f"turn {row['number']} of {row['conversation']} cannot be read ({error})"
        raise ConversationError(problem) from error


def _said(item: Mapping[str, Any]) -> Said:
    sources = tuple(Source(**source) for source in item["sources"])
    return Said(item["text"], sources, item.get("support"))
