"""By what a content is known: its bytes, who may see it, and the way it is cut."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ingest.chunk import ChunkSettings
from ingest.corpus import CorpusDocument
from ingest.groups import FolderGroups, Groups, narrow
from ingest.pages import Member


@dataclass(frozen=True, slots=True)
class Known:
    """`groups` are those that the command and the folders name; empty for everyone."""

    sha256: str
    groups: Groups
    key: str


class Access:
    """Makes keys. Contents are the same when bytes, groups and the way of cutting are.

    What a document itself says of its groups is in its bytes, so the key covers that too.
    """

    def __init__(self, groups: Groups, version: int, chunking: ChunkSettings) -> None:
        self._groups = groups
        self._recipe = (version, asdict(chunking))
        self._folders = FolderGroups()
        self._recipes: dict[Groups, str] = {}

    def known(self, sha256: str, path: Path) -> Known:
        """A file's. Raises GroupsUnclear."""
        groups = narrow(self._groups, self._folders.of(path.parent))
        return self._made(sha256, sha256, groups)

    def inside(self, around: Known, member: Member) -> Known:
        """That of a document in a file. Raises GroupsUnclear."""
        groups = narrow(around.groups, member.groups)
        # The text of a message is not what its bytes are as a file: its attachments are apart.
        bytes_of = f"mail {member.sha256}" if member.own else member.sha256
        return self._made(member.sha256, bytes_of, groups)

    def line(self, around: Known, item: CorpusDocument) -> Known:
        """That of a line of a corpus."""
        return self._made(item.sha256, f"corpus {item.sha256}", around.groups)

    def _made(self, sha256: str, content: str, groups: Groups) -> Known:
        recipe = self._recipes.get(groups)
        if recipe is None:
            recipe = json.dumps([*self._recipe, sorted(groups)], sort_keys=True)
            self._recipes[groups] = recipe
        key = hashlib.sha256(f"{content}\n{recipe}".encode()).hexdigest()
        return Known(sha256, groups, key)
