"""Evaluation cases: JSON lines, plain or gzipped, one frozen case a line."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import SurefootError
from rag.types import Message


@dataclass(frozen=True, slots=True)
class QaCase:
    """A question with its accepted answers; no answers means that the documents hold none.

    `relevant` names documents by id, path or the end of a path. `forbidden` must never be shown.
    """

    id: str
    query: str
    answers: tuple[str, ...]
    relevant: tuple[str, ...]
    history: tuple[Message, ...]
    cluster: str
    kind: str
    forbidden: tuple[str, ...]


def read_qa(path: Path) -> list[QaCase]:
    """The cases of a file. Raises SurefootError naming the file and line that is not one."""
    opener = gzip.open if path.suffix == ".gz" else open
    cases = []
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    cases.append(_qa_case(f"{path}:{number}", line))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SurefootError(f"cannot read {path}: {error}") from error
    return cases


def _qa_case(where: str, line: str) -> QaCase:
    try:
        row: dict[str, Any] = json.loads(line)
        return QaCase(
            id=str(row["id"]),
            query=str(row["query"]),
            answers=tuple(map(str, row["answers"])),
            relevant=tuple(map(str, row.get("relevant", ()))),
            history=tuple(Message(t["role"], t["content"]) for t in row.get("history", ())),
            cluster=str(row.get("cluster", row["id"])),
            kind=str(row.get("kind", "")),
            forbidden=tuple(map(str, row.get("forbidden", ()))),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SurefootError(f"{where} is not a case: {type(error).__name__} {error}") from error
