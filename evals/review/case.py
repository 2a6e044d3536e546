"""A reviewed answer becomes a case of the `qa` suite: made without personal data, appended once."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evals.errors import CaseError
from evals.review.stand_ins import Pseudonymise
from evals.review.types import Item, ReviewError


def case_of(item: Item, pseudonymise: Pseudonymise) -> dict[str, Any]:
    """The case that `item` would become, for a person to look at before it is signed off.

    Raises ReviewError if nobody has said yet what the right answer is.
    """
    if not item.may_follow("promoted"):
        hint = "already" if item.state == "promoted" else "and not accepted or corrected"
        raise ReviewError(f"item {item.id} is {item.state} {hint}")
    if item.answers is None:
        raise ReviewError(f"item {item.id} holds no right answer; correct it with one")
    said = [turn.content for turn in item.history]
    texts = pseudonymise((item.question, *said, *item.answers))
    if len(texts) != 1 + len(said) + len(item.answers):
        raise ReviewError("the pseudonymiser gave back another number of texts")
    roles = [turn.role for turn in item.history]
    turns = zip(roles, texts[1 : 1 + len(said)], strict=True)
    row: dict[str, Any] = {
        "id": f"review-{item.uid}",
        "query": texts[0],
        "answers": list(texts[1 + len(said) :]),
        "relevant": list(item.relevant),
        "history": [{"role": role, "content": text} for role, text in turns],
        "labels": list(item.labels),
        "reviewed_by": item.reviewer,
        "signed_off": True,
    }
    return row if row["history"] else {k: v for k, v in row.items() if k != "history"}


def append_case(path: Path, row: dict[str, Any]) -> bool:
    """Append a case durably; False if the file has one of this id already.

    Raises ReviewError if it can't be written, CaseError if a line of it is no case.
    """
    if path.suffix != ".jsonl":
        raise ReviewError(f"{path} is no case file; its name must end in .jsonl")
    try:
        with _locked(path) as file:
            held = _read_all(file)
            known = _cases(path, held).get(row["id"])
            if known is not None:
                return _same(path, known, row)
            line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            _append(file, line if held.endswith(b"\n") or not held else b"\n" + line)
            return True
    except OSError as error:
        raise ReviewError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _read_all(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _cases(path: Path, held: bytes) -> dict[str, Any]:
    found = {}
    for number, line in enumerate(held.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found[str(row["id"])] = row
        except (ValueError, KeyError, TypeError) as error:
            raise CaseError(f"{path}:{number}", "no case; nothing was added") from error
    return found


def _same(path: Path, known: Any, row: dict[str, Any]) -> bool:
    if known != row:
        raise ReviewError(f"{path} holds another case called {row['id']}; remove that line first")
    return False


def _append(file: int, data: bytes) -> None:
    """All of `data`, on disk; or, if that fails, none of it."""
    end = os.fstat(file).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)
        raise
