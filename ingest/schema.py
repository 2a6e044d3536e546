"""The SQLite side of a knowledge base: tables, connections, and which rows are live.

Rows carry the generation that added them and the one that removed them. A generation's view is
the rows with `gen_added <= g` that no generation up to g removed. `contents` are texts with their
chunks; `paths` says which identity (a file's path, a corpus line's id) has which content. Two
files with the same bytes and groups are two paths to one content; its first live path speaks for
it. Rows with `gen_added` above the manifest's generation are the journal of a running or killed
job: complete contents that no reader sees yet.

Hints belong to no generation: the hashes of files, what is in files of many documents (`notes`),
and which files failed (`failures`). The last goes with the last document of its path, and takes
along the notes that nothing else would.

`lexical` holds where each word stands; `postings` how often it is in which row, to search by
(`ingest.segments`). They belong to rows, whatever generation has those.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import KnowledgeBaseError
from ingest.manifest import DATABASE

BUSY_SECONDS = 30.0
TOKENIZER = "porter unicode61 remove_diacritics 2"

TABLES = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS group_sets (
  id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS contents (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL, sha256 TEXT NOT NULL, text_sha256 TEXT NOT NULL,
  title TEXT NOT NULL, metadata TEXT NOT NULL, bytes INTEGER NOT NULL,
  characters INTEGER NOT NULL, chunks INTEGER NOT NULL, group_set INTEGER NOT NULL,
  ingested_at TEXT NOT NULL, gen_added INTEGER NOT NULL, gen_removed INTEGER);
CREATE INDEX IF NOT EXISTS contents_key ON contents (key);
CREATE TABLE IF NOT EXISTS texts (content INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS paths (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  identity TEXT NOT NULL, path TEXT NOT NULL, content INTEGER NOT NULL,
  gen_added INTEGER NOT NULL, gen_removed INTEGER);
CREATE INDEX IF NOT EXISTS paths_identity ON paths (identity);
CREATE INDEX IF NOT EXISTS paths_content ON paths (content);
CREATE INDEX IF NOT EXISTS paths_path ON paths (path);
CREATE TABLE IF NOT EXISTS chunks (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  content INTEGER NOT NULL, position INTEGER NOT NULL, chunk_id TEXT NOT NULL,
  start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL, headings TEXT NOT NULL,
  page INTEGER, tokens INTEGER NOT NULL, vector INTEGER NOT NULL, group_set INTEGER NOT NULL,
  gen_added INTEGER NOT NULL, gen_removed INTEGER);
CREATE INDEX IF NOT EXISTS chunks_content ON chunks (content, position);
CREATE INDEX IF NOT EXISTS chunks_vector ON chunks (vector);
CREATE INDEX IF NOT EXISTS chunks_seen ON chunks (group_set, gen_added, gen_removed, content);
CREATE TABLE IF NOT EXISTS vectors (
  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sketches (
  content INTEGER PRIMARY KEY, family INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS sketches_family ON sketches (family);
CREATE TABLE IF NOT EXISTS bands (
  hash INTEGER NOT NULL, content INTEGER NOT NULL, PRIMARY KEY (hash, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file_hashes (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
  container TEXT NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, key TEXT,
  reason TEXT NOT NULL, withheld INTEGER NOT NULL, PRIMARY KEY (container, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
  path TEXT PRIMARY KEY, key TEXT NOT NULL, version TEXT NOT NULL, limits TEXT NOT NULL,
  reason TEXT NOT NULL, withheld INTEGER NOT NULL, heavy INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS failures_key ON failures (key);
CREATE TRIGGER IF NOT EXISTS paths_gone AFTER DELETE ON paths
  WHEN NOT EXISTS (SELECT 1 FROM paths WHERE path = old.path)
  BEGIN DELETE FROM failures WHERE path = old.path; END;
CREATE TRIGGER IF NOT EXISTS failures_gone AFTER DELETE ON failures
  WHEN NOT EXISTS (SELECT 1 FROM failures WHERE key = old.key)
  BEGIN DELETE FROM notes WHERE container = old.key; END;
CREATE VIEW IF NOT EXISTS lexical_source AS
  SELECT chunks.row AS row, contents.title AS title, chunks.headings AS headings,
         chunks.text AS text
  FROM chunks JOIN contents ON contents.row = chunks.content;
CREATE VIRTUAL TABLE IF NOT EXISTS lexical USING fts5 (
  title, headings, text, content='lexical_source', content_rowid='row',
  tokenize='{TOKENIZER}');
CREATE TABLE IF NOT EXISTS segments (
  id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
  lengths BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS postings (
  segment INTEGER NOT NULL, term TEXT NOT NULL, count INTEGER NOT NULL, rows BLOB NOT NULL,
  weights BLOB NOT NULL, PRIMARY KEY (segment, term)) WITHOUT ROWID;
"""


def live(table: str) -> str:
    """The condition that a row of `table` belongs to the generation bound as :g."""
    return (
        f"({table}.gen_added <= :g AND ({table}.gen_removed IS NULL OR {table}.gen_removed > :g))"
    )


def json_array(numbers: Iterable[int]) -> str:
    """Numbers as one bound value: any count of them, and never part of a statement."""
    return json.dumps([int(number) for number in numbers])


def connect_writer(directory: Path) -> sqlite3.Connection:
    """A connection that may write, in WAL mode, with all tables made."""
    connection = sqlite3.connect(
        directory / DATABASE,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA journal_mode=WAL")
    # WAL with NORMAL may lose the last transactions in a power cut; the commit of a generation
    # is preceded by a checkpoint, which syncs.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA temp_store=FILE")
    connection.executescript(TABLES)
    return connection


class ReaderConnection(sqlite3.Connection):
    """A connection that can be held weakly, so that it is closed with its thread."""


def connect_reader(directory: Path) -> ReaderConnection:
    """A connection that only reads. Works on read-only media too (no WAL file can be made)."""
    path = directory / DATABASE
    if not path.is_file():
        raise KnowledgeBaseError(directory, f"{DATABASE} is missing")
    uri = path.absolute().as_uri() + "?mode=ro"
    if not os.access(directory, os.W_OK) and not path.with_name(DATABASE + "-wal").exists():
        uri += "&immutable=1"
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=ReaderConnection,
    )


def connect_scratch() -> sqlite3.Connection:
    """An empty base that lives in memory: what a dry run compares a new base with."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(TABLES)
    return connection


@contextmanager
def one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the body's reads see one state of the base, whatever is merged or erased meanwhile."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the body's writes or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def database_errors(directory: Path) -> Iterator[None]:
    """Turn SQLite's errors into one clear line."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise KnowledgeBaseError(directory, f"{DATABASE}: {error}") from error
