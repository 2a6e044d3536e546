"""The audit log of a knowledge base: one line a question, free of personal data, append-only.

Says when, how it ended, which model, prompt wording and index, and how much of what; never what was
asked or said. The trace, which does, is named with its hash. Lines are written without waiting for
the disk: a power cut may lose the last ones, a killed process does not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from rag.audit_chain import (
    HEAD,
    START,
    AuditReport,
    canonical,
    file_name,
    head_bytes,
    log_files,
    seal,
    tail,
    verify,
)
from rag.config import GroundingConfig
from rag.draft import STOPPED
from rag.errors import SurefootError
from rag.gate import NO_ANSWER, NOT_EVERY, NOTHING_PASSED, ONCE_MORE
from rag.telemetry.measures import claims, per_token_ms
from rag.types import Answer

KEY_VARIABLE = "SUREFOOT_AUDIT_KEY"
FILE_BYTES = 16_000_000
LONGEST_FACT = 200
TAIL_BYTES = 1 << 16
CAUSES = {
    STOPPED: "stopped",
    "no passage comes near the question": "far",
    "the passages do not seem to answer this": "untrusted",
    NO_ANSWER: "unanswered",
    NOTHING_PASSED: "unsupported",
    NOT_EVERY: "unsupported",
    ONCE_MORE: "again",
}
LOG = logging.getLogger("surefoot.audit")


class AuditMissing(SurefootError):
    """There is no audit log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"there is no audit log at {folder}")


class AuditLog:
    """Appends to the log in `folder`; threads and processes may share it.

    A file that has grown to `file_bytes` is followed by the next. With a `key` (or one in
    SUREFOOT_AUDIT_KEY) lines are sealed by it. A line that can't be written costs a warning, and
    the next line says how many there were.
    """

    def __init__(
        self, folder: Path, key: bytes | None = None, file_bytes: int = FILE_BYTES
    ) -> None:
        self._folder = folder
        self._key = audit_key() if key is None else key
        self._file_bytes = file_bytes
        self._lost = 0
        self._counting = Lock()

    def answered(self, answer: Answer, began_ns: int, by: str) -> None:
        """One answer; `left` for one that its reader stopped."""
        kind = "left" if answer.cause == STOPPED else answer.status
        self._append(kind, by, {**_facts(answer), "ms": _since(began_ns)})

    def failed(self, error: BaseException, began_ns: int, by: str) -> None:
        """A question without an answer: its reader left, or something broke."""
        kind = "left" if isinstance(error, GeneratorExit) else "failed"
        self._append(kind, by, {"cause": type(error).__name__, "ms": _since(began_ns)})

    def note(self, kind: str, by: str, **facts: Any) -> None:
        """Something else that happened: a refusal, a cached answer, an upload, a forgetting.

        `facts` are numbers and short names; whoever calls keeps personal data out of them.
        """
        self._append(kind, by, {name: _short(value) for name, value in facts.items()})

    def _append(self, kind: str, by: str, facts: Mapping[str, Any]) -> None:
        with self._counting:
            lost, self._lost = self._lost, 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _alone(self._folder):
                self._write({**facts, "kind": kind, "by": by, **({"lost": lost} if lost else {})})
        except OSError as error:
            with self._counting:
                self._lost += lost + 1
            LOG.warning("a line of the audit log could not be written: %s", error)

    def _write(self, facts: dict[str, Any]) -> None:
        files = log_files(self._folder)
        number = max(1, len(files))
        last, torn = _end(files[-1]) if files else (None, b"")
        if last is None and number > 1:
            last, _ = _end(files[-2])
        seq, before, head_lost = self._continues(last, bool(files))
        line = {**facts, "seq": seq + 1, "prev": before, "at": _now()}
        line |= {"torn": hashlib.sha256(torn).hexdigest()} if torn else {}
        line |= {"head": "lost"} if head_lost else {}
        line |= {"keyed": True} if self._key else {}
        line["hash"] = seal(line, self._key)
        if files and not torn and files[-1].stat().st_size >= self._file_bytes:
            number += 1
        data = (b"\n" if torn else b"") + canonical(line) + b"\n"
        _add(self._folder / file_name(number), data)
        _put(self._folder / HEAD, head_bytes(seq + 1, line["hash"], self._key))

    def _continues(self, last: Mapping[str, Any] | None, begun: bool) -> tuple[int, str, bool]:
        """(number and hash of the line to go on from, whether the head was lost).

        By the head, even where its line is gone: the gap must show. A writer that was killed
        between its line and the head left a line that is one ahead.
        """
        head = _head(self._folder / HEAD)
        if head is None:
            at = (last["seq"], last["hash"]) if last else (0, START)
            return *at, begun
        if last is not None and last["seq"] == head[0] + 1 and last.get("prev") == head[1]:
            return last["seq"], last["hash"], False
        return *head, False


def audit_key() -> bytes:
    """The key of SUREFOOT_AUDIT_KEY; empty if there is none."""
    return os.environ.get(KEY_VARIABLE, "").encode()


def checked(folder: Path, key: bytes) -> AuditReport:
    """`verify`, of a log that may be written to meanwhile. Raises OSError."""
    report = verify(folder, key)
    if report.ok or not os.access(folder, os.W_OK):
        return report
    with _alone(folder):
        return verify(folder, key)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While it lasts, nobody else writes."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _facts(answer: Answer) -> dict[str, Any]:
    tokens, found = (
        answer.tokens,
        Counter(f"{finding.stage}/{finding.label}/{finding.action}" for finding in answer.findings),
    )
    made = claims(answer.sentences, answer.withheld, GroundingConfig().threshold)
    return {
        "cause": _cause(answer),
        "model": answer.model.name,
        "model_sha256": answer.model.sha256,
        "prompt_tokens": tokens.prompt,
        "cached_tokens": tokens.cached,
        "completion_tokens": tokens.completion,
        "passages": len(answer.passages),
        "sentences": len(answer.sentences),
        "citations": sum(len(sentence.citations) for sentence in answer.sentences),
        "supported": made.supported,
        "unsupported": made.unsupported,
        "withheld": answer.withheld,
        "first_shown_ms": answer.timings_ms.get("first_shown"),
        "token_ms": per_token_ms(answer),
        "findings": dict(found),
        **_trace(answer.trace),
    }


def _cause(answer: Answer) -> str:
    """The class of an answer's cause; its words may name what must not be here."""
    if answer.cause is None:
        return ""
    if answer.status == "blocked":
        return "filter" if answer.cause.startswith("filter ") else "policy"
    return CAUSES.get(answer.cause, "other")


def _trace(place: str) -> dict[str, Any]:
    """The trace's id and hash; out of it the wording's hash and the index's generation."""
    path = Path(place)
    if not place or not path.is_file():
        return {"trace": path.stem if place else ""}
    try:
        data = path.read_bytes()
        record = json.loads(data)
    except (OSError, ValueError) as error:
        LOG.warning("the trace %s can't be read for the audit log: %s", path, error)
        return {"trace": path.stem}
    return {
        "trace": path.stem,
        "trace_sha256": hashlib.sha256(data).hexdigest(),
        "template": record.get("template", ""),
        "generation": record.get("kb", {}).get("generation"),
    }


def _short(value: Any) -> Any:
    plain = value is None or isinstance(value, bool | int | float)
    return value if plain else str(value)[:LONGEST_FACT]


def _since(began_ns: int) -> int:
    return max(0, time.time_ns() - began_ns) // 1_000_000


def _now() -> str:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1_000_000:03d}Z"


def _end(path: Path) -> tuple[Mapping[str, Any] | None, bytes]:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return tail(stream.read())


def _head(path: Path) -> tuple[int, str] | None:
    try:
        head = json.loads(path.read_bytes())
        return int(head["seq"]), str(head["last"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        LOG.warning("%s is damaged", path)
        return None


def _add(path: Path, data: bytes) -> None:
    """Append all of `data` or nothing."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError("the disk is full")
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _put(path: Path, data: bytes) -> None:
    """Overwrite the head in place: no new room is needed."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
