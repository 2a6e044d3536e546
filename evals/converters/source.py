"""Reading somebody else's files: every complaint names the file and the line or field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.errors import CaseError
from evals.lines import numbered, unpacked
from ingest.errors import SurefootError

MAX_DOCUMENT = 1 << 30


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object and where it stands, so that a missing field can be named."""

    value: Mapping[str, Any]
    where: str

    def text(self, field: str, default: str | None = None) -> str:
        """A field that is a text. Raises CaseError."""
        found = self.value.get(field, default)
        if not isinstance(found, str):
            raise self.problem(field, found, "a text")
        return found

    def name(self, field: str) -> str:
        """A field that is an identifier: a text or a whole number. Raises CaseError."""
        found = self.value.get(field)
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            raise self.problem(field, found, "a text or a number")
        return str(found)

    def number(self, field: str) -> int:
        """A field that is a whole number. Raises CaseError."""
        found = self.value.get(field)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self.problem(field, found, "a whole number")
        return found

    def items(self, field: str) -> Iterator[Node]:
        """The objects of a field that is a list of them. Raises CaseError."""
        found = self.value.get(field)
        if not isinstance(found, list):
            raise self.problem(field, found, "a list")
        for index, item in enumerate(found):
            yield node(item, f"{self.where}, {field}[{index}]")

    def problem(self, field: str, found: Any, wanted: str) -> CaseError:
        kind = "missing" if found is None else f"a {type(found).__name__}"
        return CaseError(self.where, f"field {field!r} is {kind}, not {wanted}")


def node(value: Any, where: str) -> Node:
    """A JSON value that must be an object. Raises CaseError."""
    if not isinstance(value, dict):
        raise CaseError(where, f"is a {type(value).__name__}, not an object")
    return Node(value, where)


def read_lines(path: Path) -> Iterator[Node]:
    """The objects of a JSON-lines file, one held at a time. Raises CaseError, SurefootError."""
    for number, line in numbered(_one_file(path)):
        yield node(_parsed(line, f"{path}:{number}"), f"{path}:{number}")


def read_document(path: Path) -> Any:
    """The whole of a JSON file. Raises CaseError, SurefootError."""
    with unpacked(_one_file(path)) as stream:
        data = stream.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise CaseError(str(path), f"is larger than {MAX_DOCUMENT >> 20} MiB")
    return _parsed(data, str(path))


def existing(folder: Path, *names: str) -> Path:
    """The first of these files, plain or .gz, that the folder has. Raises SurefootError."""
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    if not folder.is_dir():
        raise SurefootError(f"{folder} is not a folder; this format is a folder with {names[0]}")
    raise SurefootError(f"{folder} has no {' or '.join(names)}")


def _one_file(path: Path) -> Path:
    if path.is_dir():
        raise SurefootError(f"{path} is a folder; this format is one file")
    return path


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CaseError(where, f"is not JSON ({error})") from error
