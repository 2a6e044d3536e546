"""Case files: JSON lines, plain or gzipped, read as a stream; a wrong line stops everything.

Leaving a broken case out would flatter the subject, so a file is checked whole before a run.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals.errors import CaseError
from evals.lines import numbered
from evals.types import Case
from ingest.errors import SurefootError
from rag.models import sha256_of

Check = Callable[[Mapping[str, Any]], None]
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """Case files that were read once and are sound.

    `chosen` are the places of the sampled cases in the order of the files; None means all `total`.
    `sources` are (file name, sha256 of its bytes).
    """

    paths: tuple[Path, ...]
    sources: tuple[tuple[str, str], ...]
    total: int
    chosen: frozenset[int] | None
    check: Check

    @property
    def n(self) -> int:
        return self.total if self.chosen is None else len(self.chosen)

    def read(self) -> Iterator[Case]:
        """The chosen cases, in order. Holds one at a time."""
        for place, case in enumerate(_read_all(self.paths, self.check)):
            if self.chosen is None or place in self.chosen:
                yield case


def open_cases(
    paths: Sequence[Path], check: Check, sample: int | None = None, seed: int = 0
) -> CaseFiles:
    """Read the files through, and choose `sample` cases at random if that is fewer.

    Raises CaseError for the first line that is no case, SurefootError for an unreadable file.
    """
    total = sum(1 for _ in _read_all(paths, check))
    if total == 0:
        raise SurefootError(f"{', '.join(map(str, paths))}: no cases")
    chosen = None
    if sample is not None and sample < total:
        chosen = frozenset(random.Random(seed).sample(range(total), sample))  # noqa: S311
    sources = tuple((path.name, sha256_of(path)) for path in paths)
    return CaseFiles(tuple(paths), sources, total, chosen, check)


def _read_all(paths: Sequence[Path], check: Check) -> Iterator[Case]:
    """Every case of every file. An id that was met before gets a number, so that ids are unique."""
    met: dict[str, int] = {}
    for path in paths:
        if path.is_dir():
            raise SurefootError(f"{path} is a folder; name its case files")
        for number, line in numbered(path):
            case = _case(f"{path}:{number}", line, check)
            yield replace(case, id=_unused(case.id, met))


def _unused(name: str, met: dict[str, int]) -> str:
    free = name
    while free in met:
        met[name] += 1
        free = f"{name}#{met[name]}"
    met[free] = 1
    return free


def _case(where: str, line: bytes, check: Check) -> Case:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CaseError(where, f"is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise CaseError(where, "is not a JSON object")
    name = _id(where, row.get("id"))
    try:
        check(row)
    except ValueError as error:
        raise CaseError(where, str(error)[:_LONGEST]) from error
    cluster = row.get("cluster")
    return Case(name, name if cluster is None else str(cluster), row, _content_hash(row))


def _id(where: str, value: Any) -> str:
    if value in (None, ""):
        raise CaseError(where, "has no id")
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise CaseError(where, "has an id that is no text and no whole number")
    return str(value)


def _content_hash(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
