"""Files that clients send: how they enter the base. Where they lie is in `ui.uploads`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from ingest.build import ingest
from ingest.load import Limits
from ingest.plan import Change, Outcome
from ingest.types import Embedder, IngestReport
from ui import uploads
from ui.api.errors import ApiError
from ui.uploads import Sent, UploadError, remove

MOST_FILES = 20
WAIT_S = 30.0
_STATUS = {"unknown_suffix": 400, "too_large": 413}
_GONE = frozenset({Outcome.REMOVED})


def safe_name(name: str) -> str:
    """A file name that can do no harm. Raises ApiError for one whose suffix no reader knows."""
    try:
        return uploads.safe_name(name)
    except UploadError as error:
        raise _refusal(error) from error


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
        remove(places)
        raise
    failed = {failure.path for failure in report.failed}
    remove([place for place in places if str(place) in failed])
    return _told(report, changes, {str(p): n for p, n in zip(places, names, strict=True)})


def _write(sent: Sent, folder: Path, name: str, most: int) -> Path:
    try:
        return uploads.write(sent, folder, name, most)
    except UploadError as error:
        raise _refusal(error) from error


def _refusal(error: UploadError) -> ApiError:
    return ApiError(_STATUS[error.code], error.code, str(error))


def _told(
    report: IngestReport, changes: Sequence[Change], names: Mapping[str, str]
) -> dict[str, Any]:
    failed = [
        {"path": names.get(item.path, PurePosixPath(item.path).name), "reason": item.reason}
        for item in report.failed
    ]
    documents = [change.document for change in changes if change.outcome not in _GONE]
    return {**asdict(report), "failed": failed, "documents": documents}
