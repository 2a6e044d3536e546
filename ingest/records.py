"""Rows of the database as the records that readers get."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from ingest.dates import own_date
from ingest.schema import live
from ingest.types import DocumentRecord, IndexInfo, StoredChunk

# The path that speaks for a content: its first live one. A chunk that is read by its number may
# be of the generation before, so a path that has gone is better than none.
_SPEAKER = f"""
  (SELECT {{column}} FROM paths WHERE paths.content = chunks.content
   ORDER BY NOT {live("paths")}, paths.row LIMIT 1)"""

CHUNKS = f"""
  SELECT chunks.row, chunk_id, {_SPEAKER.format(column="identity")},
         {_SPEAKER.format(column="path")}, title, start, end,
         chunks.text, headings, page, names, metadata
  FROM chunks JOIN contents ON contents.row = chunks.content
  JOIN group_sets ON group_sets.id = chunks.group_set
"""

DOCUMENTS = f"""
  SELECT contents.row, title, chunks, names, sha256, bytes, characters, ingested_at, metadata,
         identity, path
  FROM contents JOIN group_sets ON group_sets.id = contents.group_set
  JOIN paths ON paths.content = contents.row AND {live("paths")}
  WHERE {live("contents")} ORDER BY contents.row, paths.row
"""

FAMILIES = f"""
  SELECT sketches.content, family FROM sketches
  JOIN contents ON contents.row = sketches.content AND {live("contents")}
  WHERE family IN (SELECT family FROM sketches GROUP BY family HAVING count(*) > 1)
"""
_NEAR_NAMED = 100

GROUP_COUNTS = f"""
  SELECT coalesce(each.value, ''), count(*) FROM contents
  JOIN group_sets ON group_sets.id = contents.group_set
  LEFT JOIN json_each(group_sets.names) AS each
  WHERE {live("contents")} GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class GroupCount:
    """A group and how many documents carry it. "" stands for documents open to all."""

    group: str
    documents: int


@dataclass(frozen=True, slots=True)
class KnowledgeBaseInfo:
    """A knowledge base in figures. `bytes` is its size on disk."""

    path: str
    generation: int
    previous: int | None
    documents: int
    chunks: int
    characters: int
    embedder: str
    embedder_sha256: str
    dimension: int
    groups: tuple[GroupCount, ...]
    index: IndexInfo
    bytes: int
    created: str
    updated: str


def stored_chunk(row: tuple[Any, ...]) -> StoredChunk:
    """A row of CHUNKS."""
    number, name, document, path, title, start, end, text, headings, page, groups, metadata = row
    return StoredChunk(
        row=number,
        chunk_id=name,
        document=document,
        path=path,
        title=title,
        start=start,
        end=end,
        text=text,
        headings=tuple(json.loads(headings)),
        page=page,
        groups=frozenset(json.loads(groups)),
        date=own_date(json.loads(metadata)),
    )


def document_record(rows: list[tuple[Any, ...]]) -> DocumentRecord:
    """Rows of DOCUMENTS that belong to one content; the first speaks for it."""
    _, title, chunks, groups, sha256, size, characters, at, metadata, identity, path = rows[0]
    return DocumentRecord(
        document=identity,
        path=path,
        title=title,
        chunks=chunks,
        groups=frozenset(json.loads(groups)),
        sha256=sha256,
        bytes=size,
        characters=characters,
        ingested_at=at,
        paths=tuple(dict.fromkeys(row[-1] for row in rows)),
        identities=tuple(dict.fromkeys(row[-2] for row in rows)),
        metadata=json.loads(metadata),
    )


def with_near(
    records: Mapping[int, DocumentRecord], families: Mapping[int, int]
) -> list[DocumentRecord]:
    """Records by content row, ordered by document, each with the others of its family."""
    members: dict[int, list[str]] = defaultdict(list)
    for row, record in sorted(records.items(), key=lambda item: item[1].document):
        if row in families:
            members[families[row]].append(record.document)
    found = []
    for row, record in records.items():
        family = members[families[row]] if row in families else []
        others = [name for name in family[: _NEAR_NAMED + 1] if name != record.document]
        count = max(len(family) - 1, 0)
        found.append(replace(record, near=tuple(others[:_NEAR_NAMED]), near_count=count))
    return sorted(found, key=attrgetter("document"))
