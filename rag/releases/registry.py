"""Variants and releases on disk: which variant is stable, which is on trial, and all that happened.

One private SQLite file beside the knowledge base, safe to share by threads and processes. Events
are never changed or deleted. What the counts hold is numbers and salted hashes.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag.private_file import PrivateFile
from rag.releases.errors import ReleaseError
from rag.releases.gates import Gates
from rag.releases.rows import (
    TABLES,
    Event,
    Kind,
    State,
    clock,
    close_trial,
    count,
    count_answer,
    event_of,
    known,
    state_of,
    tell,
    unknown,
    variant_of,
)
from rag.releases.trial import ArmName, Hits, Trial
from rag.releases.variant import DEFAULT, Variant

FORMAT = 1
FOLDER, FILE = "service", "releases.db"


class Registry:
    """The releases of one knowledge base. Raises ReleaseError."""

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, FORMAT, TABLES, ReleaseError)

    @classmethod
    def beside(cls, kb: Path) -> Registry:
        return cls(kb / FOLDER / FILE)

    def add(self, variant: Variant, by: str) -> None:
        """Keep a new variant. Its name and its parent's must be free and known."""
        try:
            self._file.path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ReleaseError(f"{self._file.path} cannot be made: {error.strerror}") from error
        with self._file.writing() as db:
            if variant.name in {row["name"] for row in db.execute("SELECT name FROM variants")}:
                raise ReleaseError(f"there is a {variant.name} already, and variants never change")
            if variant.lineage.parent not in ("", DEFAULT):
                known(db, variant.lineage.parent)
            body = json.dumps(asdict(variant), ensure_ascii=False)
            db.execute("INSERT INTO variants (name, body) VALUES (?, ?)", (variant.name, body))
            tell(db, "added", variant.name, by, variant.lineage.note, {"sha256": variant.sha256})

    def get(self, name: str) -> Variant:
        if self._file.exists():
            with self._file.opened() as db:
                return variant_of(known(db, name))
        raise unknown(name)

    def all(self) -> tuple[Variant, ...]:
        """Every variant, the oldest first."""
        if not self._file.exists():
            return ()
        with self._file.opened() as db:
            rows = db.execute("SELECT body FROM variants ORDER BY number").fetchall()
            return tuple(variant_of(row["body"]) for row in rows)

    def events(self) -> tuple[Event, ...]:
        """All that happened, the oldest first."""
        if not self._file.exists():
            return ()
        with self._file.opened() as db:
            rows = db.execute("SELECT * FROM events ORDER BY number").fetchall()
            return tuple(event_of(row) for row in rows)

    def state(self) -> State:
        """What is served at this moment, with the counts of the trial."""
        if not self._file.exists():
            return State()
        with self._file.opened() as db:
            return state_of(db)

    def begin(self, name: str, share: float, shadow: bool, gates: Gates, by: str) -> Trial:
        """Put a variant on trial beside the stable one, with new counts."""
        if not 0 < share < 1:
            raise ReleaseError(f"the share must be over 0 and under 1, not {share:g}")
        with self._changing(name) as db:
            now = state_of(db)
            if now.trial is not None:
                raise ReleaseError(f"{now.trial.variant} is on trial; promote it or roll it back")
            if name == now.stable:
                raise ReleaseError(f"{name} is the stable variant already")
            row = (name, now.stable, share, shadow, secrets.token_hex(8), clock())
            db.execute(
                "INSERT INTO trials (variant, baseline, share, shadow, salt, began, gates)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, json.dumps(asdict(gates))),
            )
            kind: Kind = "shadow" if shadow else "canary"
            tell(db, kind, name, by, "", {"share": share, "baseline": now.stable})
            begun = state_of(db).trial
            assert begun is not None
            return begun

    def count(
        self, trial: Trial, unit: str, arms: Mapping[ArmName, Hits], notes: Iterable[str] = ()
    ) -> Trial | None:
        """Count a request of a conversation; the counts after it, or None if the trial has ended.

        A conversation counts once in its arm, and once for each of `hits`.
        """
        with self._file.writing() as db:
            now = state_of(db).trial
            if now is None or now.id != trial.id:
                return None
            for arm, hits in arms.items():
                count_answer(db, trial.id, arm, unit, hits)
            for note in notes:
                count(db, trial.id, "notes", note)
            return state_of(db).trial

    def end(self, trial: Trial, by: str, why: str, figures: Mapping[str, Any]) -> bool:
        """Roll a trial back; False if it has ended already."""
        with self._file.writing() as db:
            now = state_of(db).trial
            if now is None or now.id != trial.id:
                return False
            close_trial(db)
            tell(db, "rolled back", trial.variant, by, why, figures)
            return True

    def promote(
        self, name: str, by: str, why: str, figures: Mapping[str, Any], trial: Trial | None = None
    ) -> bool:
        """Make a variant the stable one; a trial ends. With `trial`, only if that one runs."""
        with self._changing(name) as db:
            now = state_of(db)
            if trial is not None and (now.trial is None or now.trial.id != trial.id):
                return False
            if name == now.stable:
                raise ReleaseError(f"{name} is the stable variant already")
            if now.trial is not None and now.trial.variant != name:
                tell(db, "stopped", now.trial.variant, by, f"{name} was promoted", {})
            close_trial(db)
            db.execute("INSERT INTO stables (name) VALUES (?)", (name,))
            tell(db, "promoted", name, by, why, {**figures, "before": now.stable})
            return True

    def rollback(self, by: str, why: str) -> Event:
        """Take back the latest step: the trial if there is one, else the latest promotion."""
        if not self._file.exists():
            raise ReleaseError("nothing was released yet")
        with self._file.writing() as db:
            now = state_of(db)
            if now.trial is None and now.stable == DEFAULT:
                raise ReleaseError("nothing to roll back: the default is served")
            gone = now.trial.variant if now.trial else now.stable
            if now.trial is None:
                db.execute("DELETE FROM stables WHERE number = (SELECT MAX(number) FROM stables)")
            close_trial(db)
            after = {"stable": state_of(db).stable}
            return tell(db, "rolled back", gone, by, why, after)

    @contextmanager
    def _changing(self, name: str) -> Iterator[sqlite3.Connection]:
        """A write that is about a variant which must be there."""
        if not self._file.exists():
            raise unknown(name)
        with self._file.writing() as db:
            known(db, name)
            yield db
