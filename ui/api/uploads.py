"""Files that clients send: where they may lie, what they may be, and how they enter the base.

Each lies in a folder of its own with a random name, inside the base's upload folder. Of the
client's name only letters, digits and hyphens are kept, so that a citation says something.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ingest.build import ingest
from ingest.load import Limits
from ingest.plan import Change, Outcome
from ingest.types import Embedder, IngestReport
from ui.api.errors import ApiError

# What people keep documents in. No corpora: their lines choose their own ids, also taken ones.
_KINDS = "pdf docx pptx xlsx odt ods odp epub html htm xhtml md markdown rst txt csv tsv json eml"
SUFFIXES = frozenset(f".{kind}" for kind in _KINDS.split())
MOST_FILES = 20
WAIT_S = 30.0
_LONGEST_STEM = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_PIECE = 1 << 20
_GONE = frozenset({Outcome.REMOVED})


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as a client sends it: its name there, and its bytes."""

    name: str
    file: IO[bytes]


def safe_name(name: str) -> str:
    """A file name that can do no harm. Raises ApiError for one whose suffix no reader knows."""
    path = PurePosixPath(name.replace("\\", "/"))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = " ".join(sorted(SUFFIXES))
        raise ApiError(400, "unknown_suffix", f"files of these kinds are taken: {known}")
    stem = _UNSAFE.sub("-", path.stem).strip("-")[:_LONGEST_STEM].strip("-")
    return f"{stem or 'document'}{suffix}"


def take_in(
    kb: Path,
    folder: Path,
    files: Sequence[Sent],
    groups: frozenset[str],
    embedder: Embedder,
    most_bytes: int,
) -> dict[str, Any]:
    """Write the files below `folder` and ingest them for `groups`; what became of them.

    A file that could not be ingested is removed again. Raises ApiError, KnowledgeBaseError.
    """
    names = [safe_name(sent.name) for sent in files]
    places: list[Path] = []
    try:
        for sent, name in zip(files, names, strict=True):
            places.append(_write(sent, folder, name, most_bytes))
        changes: list[Change] = []
        report = ingest(
            places,
            kb,
            embedder,
            groups=groups,
            limits=Limits(file_bytes=most_bytes),
            wait=WAIT_S,
            changed=changes.append,
        )
    except BaseException:
        _remove(places)
        raise
    failed = {failure.path for failure in report.failed}
    _remove([place for place in places if str(place) in failed])
    return _told(report, changes, {str(p): n for p, n in zip(places, names, strict=True)})


def remove_files(folder: Path, paths: Sequence[str]) -> None:
    """Remove those of these files that lie in the upload folder; others are not ours."""
    root = folder.resolve()
    _remove([path for path in map(Path, paths) if path.is_relative_to(root)])


def _write(sent: Sent, folder: Path, name: str, most: int) -> Path:
    place = folder.resolve() / secrets.token_hex(16) / name
    place.parent.mkdir(mode=0o700, parents=True)
    left = most
    with place.open("xb") as out:
        while piece := sent.file.read(_PIECE):
            left -= len(piece)
            if left < 0:
                _remove([place])
                raise ApiError(413, "too_large", f"a file has more than {most:,} bytes")
            out.write(piece)
    return place


def _remove(places: Sequence[Path]) -> None:
    for place in places:
        shutil.rmtree(place.parent, ignore_errors=True)


def _told(
    report: IngestReport, changes: Sequence[Change], names: Mapping[str, str]
) -> dict[str, Any]:
    failed = [
        {"path": names.get(item.path, PurePosixPath(item.path).name), "reason": item.reason}
        for item in report.failed
    ]
    documents = [change.document for change in changes if change.outcome not in _GONE]
    return {**asdict(report), "failed": failed, "documents": documents}
