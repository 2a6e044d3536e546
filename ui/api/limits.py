"""How much a key may ask: requests by the minute, tokens of the model by the UTC day.

The arithmetic is pure and in whole numbers: nothing is gained or lost by rounding, however often a
bucket is looked at.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Lock

from rag.private_file import PrivateFile
from ui.api.keys import FOLDER, Key, KeyStoreError

REQUEST = 60 * 10**9  # what one request takes from a bucket that gains `rate` a nanosecond
DAY = 24 * 3600
FORMAT = 1
TABLES = """
CREATE TABLE usage (
    key TEXT NOT NULL, day INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (key, day)
) STRICT, WITHOUT ROWID;
"""
LOG = logging.getLogger("surefoot.limits")
_WRITE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a key may still ask, in parts of which a request takes REQUEST, at `at` nanoseconds."""

    level: int
    at: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A bucket after a request asked for its part; `wait_ns` is 0 if it got it."""

    bucket: Bucket
    wait_ns: int


def take(bucket: Bucket | None, now: int, rate: int) -> Taken:
    """One request out of a bucket of `rate` requests, which refills evenly within a minute.

    None is a full one. A token bucket: in any minute at most `rate` requests pass, and what had
    been saved up before it, which is another `rate` at most.
    """
    full = rate * REQUEST
    level = full if bucket is None else min(full, bucket.level + (now - bucket.at) * rate)
    if level >= REQUEST:
        return Taken(Bucket(level - REQUEST, now), 0)
    return Taken(Bucket(level, now), -(-(REQUEST - level) // rate))


def until_midnight(now_s: float) -> int:
    """Whole seconds, at least 1, until the UTC day ends."""
    return DAY - int(now_s) % DAY


class Limits:
    """Counts what keys ask and use. Thread-safe.

    A day's tokens are also kept in a file, written with the next answer when two seconds have gone
    by, and by `close`. What is not written when the process is killed is lost.
    """

    def __init__(
        self,
        path: Path,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = PrivateFile(path, FORMAT, TABLES, KeyStoreError)
        self._clock_ns = clock_ns
        self._now = now
        self._lock = Lock()
        self._writing = Lock()
        self._buckets: dict[str, Bucket] = {}
        self._day = self._today()
        self._spent: dict[str, int] = {}
        self._unwritten: dict[str, int] = {}
        self._written = clock_ns()

    @classmethod
    def beside(cls, kb: Path) -> Limits:
        """The counts of the service of this knowledge base."""
        return cls(kb / FOLDER / "usage.db")

    def allow(self, key: Key) -> int | None:
        """None if the key may ask now, which counts as a request; else seconds until it may.

        What is asked at the same time may exceed a day's tokens, by no more than these answers:
        what an answer takes is known when it is there. Raises KeyStoreError.
        """
        with self._lock:
            if self._used(key.id) >= key.tokens_per_day:
                return until_midnight(self._now())
            taken = take(self._buckets.get(key.id), self._clock_ns(), key.rate_per_minute)
            self._buckets[key.id] = taken.bucket
            return ceil(taken.wait_ns / 10**9) or None

    def spend(self, key: Key, tokens: int) -> None:
        """Count the tokens of an answer."""
        with self._lock:
            self._spent[key.id] = self._used(key.id) + tokens
            self._unwritten[key.id] = self._unwritten.get(key.id, 0) + tokens
            due = self._clock_ns() - self._written >= _WRITE_SECONDS * 10**9
        if due:
            self._write()

    def used(self, key: Key) -> int:
        """The tokens that a key has used today. Raises KeyStoreError."""
        with self._lock:
            return self._used(key.id)

    def close(self) -> None:
        """Write what is not written yet."""
        self._write()

    def _used(self, id: str) -> int:
        if self._day != (today := self._today()):
            self._day = today
            self._spent, self._unwritten = {}, {}
        if id not in self._spent:
            self._spent[id] = self._kept(id)
        return self._spent[id]

    def _kept(self, id: str) -> int:
        if not self._file.exists():
            return 0
        statement = "SELECT tokens FROM usage WHERE key = ? AND day = ?"
        with self._file.opened() as connection:
            row = connection.execute(statement, (id, self._day)).fetchone()
        return int(row["tokens"]) if row else 0

    def _write(self) -> None:
        """Add what is new to the file. A full disk costs a warning; the next time it is tried."""
        with self._writing:
            with self._lock:
                day, news, self._unwritten = self._day, self._unwritten, {}
                self._written = self._clock_ns()
            if not news:
                return
            try:
                self._add(day, news)
            except (OSError, KeyStoreError) as error:
                LOG.warning("what keys use is not written: %s", error)
                self._put_back(day, news)

    def _add(self, day: int, news: Mapping[str, int]) -> None:
        self._file.path.parent.mkdir(mode=0o700, exist_ok=True)
        with self._file.writing() as connection:
            connection.execute("DELETE FROM usage WHERE day < ?", (day,))
            _count(connection, day, news)

    def _put_back(self, day: int, news: Mapping[str, int]) -> None:
        with self._lock:
            if day == self._day:
                for id, tokens in news.items():
                    self._unwritten[id] = self._unwritten.get(id, 0) + tokens

    def _today(self) -> int:
        return int(self._now()) // DAY


def _count(connection: sqlite3.Connection, day: int, news: Mapping[str, int]) -> None:
    connection.executemany(
        "INSERT INTO usage VALUES (:key, :day, :tokens)"
        " ON CONFLICT (key, day) DO UPDATE SET tokens = tokens + excluded.tokens",
        [{"key": id, "day": day, "tokens": tokens} for id, tokens in news.items()],
    )
