"""Who may see a document now: for what keeps something of documents beside the base."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

from ingest.manifest import read_manifest
from ingest.schema import connect_reader, database_errors, live

_GROUPS = f"""
  SELECT identity, names FROM paths JOIN contents ON contents.row = paths.content
  JOIN group_sets ON group_sets.id = contents.group_set
  WHERE {live("paths")} AND identity IN (SELECT value FROM json_each(:names))
"""


def audience(directory: Path, documents: Collection[str]) -> Mapping[str, frozenset[str]]:
    """The groups of those documents that the base holds; empty for everyone.

    Raises KnowledgeBaseMissing, KnowledgeBaseError.
    """
    generation = read_manifest(directory).generation
    values = {"g": generation, "names": json.dumps(sorted(documents))}
    with database_errors(directory), closing(connect_reader(directory)) as connection:
        found = connection.execute(_GROUPS, values).fetchall()
    return {identity: frozenset(json.loads(names)) for identity, names in found}
