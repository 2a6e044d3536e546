"""Conversations on disk: to go on with, list, rename, delete, export, and to forget documents in.

One private SQLite file beside the knowledge base, safe to share by threads and processes. Only
what was shown to the reader is kept. Every reader sees the turns that rest on documents which are
open to them, by the groups that those had when the turn was held and by those that they have now.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.audience import audience
from rag.conversation_rows import FORMAT, TABLES, UPGRADES, row_of, turn_in
from rag.private_file import PrivateFile
from rag.safety import vault
from rag.turns import (
    Audience,
    ConversationError,
    Groups,
    Turn,
    UnknownConversation,
    turn_of,
)
from rag.types import Answer

if TYPE_CHECKING:
    from ingest.quotes import Trail

LONGEST_NAME = 100
_ID = re.compile(r"c-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with the turns that its reader may see; `hidden` counts the others.

    Times are ISO 8601, UTC.
    """

    id: str
    name: str
    created: str
    updated: str
    turns: tuple[Turn, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a turn was kept: the conversation's id and name, and the turn's number in it."""

    id: str
    name: str
    turn: int


class Conversations:
    """The conversations of `owner` over one knowledge base. Raises ConversationError.

    `owner` is "" where nobody signs in; each sees their own alone. A `key` is a conversation's name
    or id. `now` says which groups documents have today. `ended` is told the ids of those that are
    about to go.
    """

    name = "turns of conversations"

    def __init__(
        self,
        path: Path,
        now: Callable[[Collection[str]], Audience],
        ended: Callable[[Collection[str]], object] = len,
        owner: str = "",
    ) -> None:
        self.path = path
        self.owner = owner
        self._now = now
        self._ended = ended
        self._file = PrivateFile(path, FORMAT, TABLES, ConversationError, UPGRADES)

    @classmethod
    def beside(cls, kb: str | Path, owner: str = "") -> Conversations:
        """Those over the knowledge base at `kb`; what its vault has of one goes with it."""
        kb = Path(kb)
        ended = partial(vault.drop, vault.beside(kb))
        return cls(kb / "conversations.db", partial(audience, kb), ended, owner)

    def all(self, groups: Groups = frozenset()) -> tuple[Conversation, ...]:
        """Those of which the asker may see a turn, the latest first."""
        found = self._select("", groups)
        return tuple(conversation for conversation in found if conversation.turns)

    def get(self, key: str, groups: Groups = frozenset()) -> Conversation:
        """One that the asker may see a turn of. Raises UnknownConversation."""
        found = self.find(key, groups)
        if found is None or not found.turns:
            raise UnknownConversation(key)
        return found

    def find(self, key: str, groups: Groups = frozenset()) -> Conversation | None:
        """The one of this name or id, if there is one, whatever of it the asker may see.

        Raises UnknownConversation for an id that was never given.
        """
        found = self._select("AND ? IN (id, name)", groups, clean_name(key))
        if not found and _ID.fullmatch(key):
            raise UnknownConversation(key)
        return found[0] if found else None

    def turns(self, key: str, groups: Groups = frozenset()) -> tuple[Turn, ...]:
        """What the asker may see of one, to go on from; () where none is called so yet.

        Raises UnknownConversation for an id that was never given.
        """
        found = self.find(key, groups)
        return found.turns if found is not None else ()

    def begin(self, key: str) -> str:
        """The id of one, which is begun if there is none of this name. Raises as `find` does.

        Without a turn nobody sees it.
        """
        with self._file.writing() as db:
            return self._id(db, key, _time())

    def begin_new(self, wish: str) -> Kept:
        """One that is begun now, by the name wished for, or with a number where it is taken."""
        with self._file.writing() as db:
            name = self._free(db, wish)
            return Kept(_begun(db, self.owner, name, _time()), name, 0)

    def add(
        self,
        key: str,
        question: str,
        answer: Answer,
        groups: Groups = frozenset(),
        earlier: Sequence[Turn] = (),
    ) -> Kept:
        """Keep a turn, in a new conversation of this name if there is none.

        `earlier` are the turns that the answer had as its history.
        """
        with self._file.writing() as db:
            at = _time()
            kept = _touched(db, self._id(db, key, at), at)
            turn = turn_of(kept.turn, at, question, answer, groups, earlier)
            values = (kept.id, *row_of(turn))
            db.execute(f"INSERT INTO turns VALUES ({', '.join('?' * len(values))})", values)
        return kept

    def rename(self, key: str, name: str, groups: Groups = frozenset()) -> None:
        """Give it another name. Raises UnknownConversation, or ConversationError if taken."""
        found, wanted = self.get(key, groups), clean_name(name)
        if _ID.fullmatch(wanted):
            raise ConversationError(f"{wanted!r} looks like an id; take another name")
        with self._file.writing() as db:
            if self._known(db, wanted) not in (None, found.id):
                raise ConversationError(f"{wanted!r} is the name of another")
            db.execute("UPDATE conversations SET name = ? WHERE id = ?", (wanted, found.id))

    def title(self, key: str, wish: str) -> str:
        """Give it the name wished for, or that with a number where it is taken. Returns it."""
        with self._file.writing() as db:
            known = self._known(db, key)
            name = self._free(db, wish)
            db.execute("UPDATE conversations SET name = ? WHERE id = ?", (name, known))
        return name

    def withdraw(self, key: str, number: int) -> None:
        """Remove one turn: a later one has taken its place."""
        with self._file.writing() as db:
            place = (self._known(db, key), number)
            db.execute("DELETE FROM turns WHERE (conversation, number) = (?, ?)", place)

    def delete(self, key: str, groups: Groups = frozenset()) -> None:
        """Remove it with all its turns, if the asker may see all of them."""
        found = self.get(key, groups)
        if found.hidden:
            problem = f"{found.name!r} has {found.hidden} turn(s) that these groups may not see"
            raise ConversationError(f"{problem}; give the groups that it was held with")
        with self._file.writing() as db:
            self._ended((found.id,))
            db.execute("DELETE FROM conversations WHERE id = ?", (found.id,))
        self._file.empty_log()

    def clear(self, trail: Trail, dry_run: bool) -> int:
        """Remove the turns that rest on forgotten documents or quote them; how many those are.

        A conversation that has no turn left goes too, and a name that speaks of one.
        """
        if not self._file.exists():
            return 0
        with self._file.opened() if dry_run else self._file.writing() as db:
            rows = db.execute("SELECT * FROM turns").fetchall()
            gone = [row for row in rows if _leads(trail, turn_in(row))]
            if not dry_run:
                places = [(row["conversation"], row["number"]) for row in gone]
                self._ended(_remove(db, trail, places))
        if not dry_run:
            # Also where nothing was found: a killed job may have deleted and got no further.
            self._file.empty_log()
        return len(gone)

    def _select(self, more: str, groups: Groups, *values: str) -> list[Conversation]:
        if not self._file.exists():
            return []
        query = f"SELECT * FROM conversations WHERE owner = ? {more} ORDER BY touched DESC"
        with self._file.opened() as db:
            db.execute("BEGIN")
            found = db.execute(query, (self.owner, *values)).fetchall()
            turns = {row["id"]: _turns(db, row["id"]) for row in found}
        documents = {name for some in turns.values() for turn in some for name in turn.documents}
        now = self._now(documents) if documents else {}
        return [_conversation(row, turns[row["id"]], groups, now) for row in found]

    def _known(self, db: sqlite3.Connection, key: str) -> str | None:
        query = "SELECT id FROM conversations WHERE owner = ? AND ? IN (id, name)"
        found = db.execute(query, (self.owner, clean_name(key))).fetchone()
        return None if found is None else str(found["id"])

    def _id(self, db: sqlite3.Connection, key: str, at: str) -> str:
        return self._known(db, key) or _begun(db, self.owner, clean_name(key), at)

    def _free(self, db: sqlite3.Connection, wish: str) -> str:
        name, number = clean_name(wish), 1
        while self._known(db, name) is not None:
            number += 1
            end = f" {number}"
            name = clean_name(wish)[: LONGEST_NAME - len(end)] + end
        return name


def clean_name(name: str) -> str:
    """A name on one line. Raises ConversationError for one that is empty, long or unprintable."""
    words = " ".join(name.encode("utf-8", "replace").decode().split())
    if not words or len(words) > LONGEST_NAME or not words.isprintable():
        raise ConversationError(f"a name has one to {LONGEST_NAME} printable characters")
    return words


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _begun(db: sqlite3.Connection, owner: str, name: str, at: str) -> str:
    if _ID.fullmatch(name):
        # It was one when the question was asked.
        raise UnknownConversation(name)
    new = f"c-{secrets.token_hex(4)}"
    db.execute(
        "INSERT INTO conversations (id, owner, name, created, updated) VALUES (?, ?, ?, ?, ?)",
        (new, owner, name, at, at),
    )
    return new


def _touched(db: sqlite3.Connection, conversation: str, at: str) -> Kept:
    """The place of its next turn. A counter says which conversation was held last, to the turn."""
    row = db.execute(
        "UPDATE conversations SET updated = ?, turns = turns + 1,"
        " touched = (SELECT max(touched) + 1 FROM conversations) WHERE id = ? RETURNING *",
        (at, conversation),
    ).fetchone()
    return Kept(row["id"], row["name"], row["turns"])


def _turns(db: sqlite3.Connection, conversation: str) -> list[Turn]:
    query = "SELECT * FROM turns WHERE conversation = ? ORDER BY number"
    return [turn_in(row) for row in db.execute(query, (conversation,))]


def _conversation(
    row: sqlite3.Row, turns: Sequence[Turn], groups: Groups, now: Audience
) -> Conversation:
    seen = tuple(turn for turn in turns if turn.visible_to(groups, now))
    facts = {name: str(row[name]) for name in ("id", "name", "created", "updated")}
    return Conversation(**facts, turns=seen, hidden=len(turns) - len(seen))


def _remove(
    db: sqlite3.Connection, trail: Trail, places: Sequence[tuple[str, int]]
) -> tuple[str, ...]:
    """Delete turns, conversations without any, and names that speak of what is forgotten.

    Returns the ids of the conversations that go.
    """
    db.executemany("DELETE FROM turns WHERE conversation = ? AND number = ?", places)
    empty = "DELETE FROM conversations WHERE id NOT IN (SELECT conversation FROM turns)"
    gone = tuple(row["id"] for row in db.execute(f"{empty} RETURNING id").fetchall())
    for key, name in db.execute("SELECT id, name FROM conversations").fetchall():
        if trail.in_value(name, own=True) or trail.in_text(name):
            db.execute("UPDATE conversations SET name = id WHERE id = ?", (key,))
    return gone


def _leads(trail: Trail, turn: Turn) -> bool:
    """Whether a turn rests on a forgotten document, names it by its path, or quotes it."""
    paths = {source.path for said in turn.said for source in said.sources}
    if trail.names & (turn.documents | paths):
        return True
    told = (
        text for said in turn.said for item in said.sources for text in (item.title, item.quote)
    )
    return any(trail.in_text(text) for text in (turn.question, turn.text, *told))
