"""The chain of an audit log: how a line is sealed, and how any edit or gap is found.

Each line holds the seal of the one before and its own; the head file holds the last. Whoever may
rewrite every line and the head can forge an unkeyed log; with a key that is out of their reach
(SUREFOOT_AUDIT_KEY) they can't. Lines are sealed by SHA-256, keyed ones by HMAC-SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAD = "head.json"
START = "0" * 64
HEAD_BYTES = 256

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found. `problem` names the first bad line, if there is one.

    `lost` lines could not be written (a full disk), `torn` ones were cut off by a killed writer.
    """

    lines: int
    files: int
    keyed: int
    lost: int
    torn: int
    problem: str | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.problem is None


class Broken(Exception):
    """A place where the chain does not hold."""


def canonical(value: Line) -> bytes:
    """The one way to write a line: sorted names, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(line: Line, key: bytes) -> str:
    """The hash of a line without its own, by HMAC where there is a key."""
    body = canonical({name: value for name, value in line.items() if name != "hash"})
    return hmac.new(key, body, "sha256").hexdigest() if key else hashlib.sha256(body).hexdigest()


def head_bytes(seq: int, last: str, key: bytes) -> bytes:
    """The head file after line `seq`: always as long, so that a full disk can't stop it."""
    line = {"seq": seq, "last": last}
    return canonical({**line, "hash": seal(line, key)}).ljust(HEAD_BYTES - 1) + b"\n"


def log_files(folder: Path) -> list[Path]:
    """The files of a log, oldest first."""
    return sorted(folder.glob("audit-*.jsonl"))


def file_name(number: int) -> str:
    return f"audit-{number:06d}.jsonl"


def read_lines(folder: Path) -> Iterator[Line]:
    """Every line that is whole, oldest first, checked or not. Raises OSError."""
    for path in log_files(folder):
        for raw in path.read_bytes().split(b"\n"):
            if (line := parsed(raw)) is not None:
                yield line


def parsed(raw: bytes) -> Line | None:
    """A line of the log, or None for bytes that are none."""
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("seq"), int) else None


def verify(folder: Path, key: bytes = b"") -> AuditReport:
    """Check every line of a log, and its head. Raises OSError where it can't be read."""
    walk, files = _Walk(key), log_files(folder)
    try:
        for number, path in enumerate(files, start=1):
            if path.name != file_name(number):
                raise Broken(f"{file_name(number)} is missing")
            walk.file(path.name, path.read_bytes())
        walk.end(_read(folder / HEAD))
        problem = None
    except Broken as broken:
        problem = str(broken)
    return AuditReport(
        walk.seq, len(files), walk.keyed, walk.lost, walk.torn, problem, dict(walk.kinds)
    )


class _Walk:
    """Goes over a log's lines in order and keeps what the next one must continue."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._last = self._before = START
        self._stray: bytes | None = None
        self._stray_at = ""
        self.seq = self.keyed = self.lost = self.torn = 0
        self.kinds: dict[str, int] = {}

    def file(self, name: str, data: bytes) -> None:
        *rows, rest = data.split(b"\n")
        for number, raw in enumerate(rows, start=1):
            here = f"{name}, line {number}"
            line = parsed(raw)
            if line is not None and canonical(line) == raw:
                self._account(line)
                self._line(here, line)
            elif self._stray is None:
                self._stray, self._stray_at = raw, here
            else:
                raise Broken(f"{self._stray_at}: is damaged")
        if rest:
            raise Broken(f"{name}, line {len(rows) + 1}: is cut off, and no later line says why")

    def end(self, head: bytes | None) -> None:
        """The head names the last line, or the one before if its writer was killed just then."""
        if self._stray is not None:
            raise Broken(f"{self._stray_at}: is damaged")
        if head is None:
            if self.seq:
                raise Broken(f"{HEAD} is missing")
            return
        known = [(self.seq, self._last)] + ([(self.seq - 1, self._before)] if self.seq > 1 else [])
        # Sealed as the lines are; with a key in hand, nothing unkeyed will do.
        key = self._key if self.keyed or self._key else b""
        if head not in [head_bytes(seq, last, key) for seq, last in known]:
            raise Broken(f"{HEAD} does not name line {self.seq}: lines are missing at the end")

    def _account(self, line: Line) -> None:
        """Bytes that are no line are accounted for by the next one, or they are an edit."""
        stray, told = self._stray, line.get("torn")
        if stray is not None and hashlib.sha256(stray).hexdigest() != told:
            raise Broken(f"{self._stray_at}: is damaged")
        if stray is None and told is not None:
            raise Broken(f"the cut-off line that number {line['seq']} tells of is missing")
        self.torn += stray is not None
        self._stray = None

    def _line(self, here: str, line: Line) -> None:
        if line["seq"] != self.seq + 1:
            raise Broken(f"{here}: has number {line['seq']}, {self.seq + 1} was expected")
        if line.get("prev") != self._last:
            raise Broken(f"{here}: does not continue the line before it")
        if problem := self._unsealed(line):
            raise Broken(f"{here}: {problem}")
        if line.get("head") == "lost":
            raise Broken(f"{here}: was written when {HEAD} had been lost")
        self.seq, self._before, self._last = self.seq + 1, self._last, line["hash"]
        self.keyed += line.get("keyed") is True
        self.lost += int(line.get("lost", 0))
        kind = str(line.get("kind"))
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def _unsealed(self, line: Line) -> str | None:
        keyed = line.get("keyed") is True
        if keyed and not self._key:
            return "is sealed with a key: set SUREFOOT_AUDIT_KEY"
        if self.keyed and not keyed:
            return "is not sealed with the key, as lines before it are"
        sound = seal(line, self._key if keyed else b"")
        return None if hmac.compare_digest(str(line.get("hash")), sound) else "was changed"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def tail(data: bytes) -> tuple[Line | None, bytes]:
    """The last whole line of a file, and the bytes after it that are none. Pure."""
    rows: Sequence[bytes] = data.split(b"\n")
    last = parsed(rows[-2]) if len(rows) > 1 else None
    return last, rows[-1]
